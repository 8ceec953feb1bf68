"""How groups of runs are computed: one run a thread, lanes of one program, over all devices."""
