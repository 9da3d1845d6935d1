"""Stored results and grades: rows are appended, never overwritten, and each change is audited."""
