"""Problems: what a run is about, and the compiled program that is made of it."""

from icl.problems.base import Inputs, Problem, Program, bind, make_program
from icl.problems.load import load_program

__all__ = ["Inputs", "Problem", "Program", "bind", "load_program", "make_program"]
