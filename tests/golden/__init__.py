"""Golden values: numbers, digests and messages of the whole program, as they were once recorded.

A module for each subject computes them, `values/` holds them, and the tests compare the two.
"""
