"""What a paper reports of a study: worst grades, the toxicity table, shifts from baseline."""
