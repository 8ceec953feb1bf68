"""Checks between settings: a line for each mistake, before any data is touched.

data       whether the settings of the data fit each other
families   whether the data suffice for a family of sequences
exemplars  whether classes have enough exemplars for all sequences
networks   whether a network can read its training data
claims     whether claims fit a grid
"""
