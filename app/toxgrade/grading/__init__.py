"""How a result is graded: pure functions over the standard library and polars."""
