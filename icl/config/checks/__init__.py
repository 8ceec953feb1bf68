"""Checks between settings: a line for each mistake, before any data is touched."""
