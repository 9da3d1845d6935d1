"""The JSON door: laboratory values in over HTTP, grades and reasons out."""
