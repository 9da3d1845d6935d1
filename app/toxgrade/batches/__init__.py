"""Whole lab exports: files in, every row graded or with its reason, files out."""
