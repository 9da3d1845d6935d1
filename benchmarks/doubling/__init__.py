"""Cost of hostile input at n and at 2n, for every parser: `python -m benchmarks.doubling`."""
