"""Benchmarks of the simulator, as ratios measured side by side: `python -m benchmarks`."""
