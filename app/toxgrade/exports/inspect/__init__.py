"""A look at an export before it is graded: what it seems to be, and a mapping to grade it by."""
