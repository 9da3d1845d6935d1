"""The JSON API: laboratory values in, grades and their reasons out."""
