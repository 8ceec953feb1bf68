"""Families of sequences: each makes one sequence, as integers, from random bits and knobs.

A family is a frozen object that holds what fixes shapes. docs/distribution.md defines each in
words and formulas.
"""

from icl.data.families.base import Family
from icl.data.families.make import make_families, make_family

__all__ = ["Family", "make_families", "make_family"]
