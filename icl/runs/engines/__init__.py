"""Ways to compute groups of runs: one run a thread, lanes of one program, over all devices."""
