"""Stored batches: uploads are cut into tasks, and some worker performs each task once."""
