"""Demonstration data: a SYNTHETIC cohort, loaded through the code that any caller uses."""
