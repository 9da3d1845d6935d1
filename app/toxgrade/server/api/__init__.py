"""The JSON door: laboratory values in, grades and reasons out."""
