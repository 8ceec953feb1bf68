"""How fast the simulator is, as ratios measured side by side: `python -m benchmarks`."""
