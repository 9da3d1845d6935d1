"""Grading of laboratory results: pure functions over the standard library and polars."""
