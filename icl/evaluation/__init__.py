"""Evaluation: the conditions that a network is tested in, and how its answers are scored.

conditions   the families of sequences of an evaluation, by name
scores       marks of answers, and their means over fresh sequences or trials
"""
