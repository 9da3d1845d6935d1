"""The pages: what the JSON door says, to be looked at."""
