"""Evaluation: the conditions that a network is tested in, and how its answers are scored."""

from icl.evaluation.conditions import make_conditions
from icl.evaluation.scores import Scores, evaluate, score, score_trials

__all__ = ["Scores", "evaluate", "make_conditions", "score", "score_trials"]
