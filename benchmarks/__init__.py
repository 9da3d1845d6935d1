"""Speed and exactness, measured: `python -m benchmarks`."""
