"""Stored batches: uploads cut into tasks, each graded and stored once by some worker."""
