"""Statistics of a sample of sequences, in plain NumPy over integers."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from icl.types import IndexSequence

MAX_UNSEEN = 0.01  # an entropy is not reported where labels never drawn are more probable


class Estimate(NamedTuple):
    """A mean over independent sequences, and its standard error; None where not known."""

    value: float
    stderr: float | None


def estimate(values: Float[np.ndarray, " sequence"] | Bool[np.ndarray, " sequence"]) -> Estimate:
    """The mean of one number for each sequence, and its standard error.

    The error of a share of zeros and ones is at least that with one more of each (Agresti and
    Coull 1998 add two): an event that n draws never show may have a probability of 1 / n.
    """
    count, mean = len(values), float(np.mean(values))
    error = float(np.std(values) / np.sqrt(count))
    if np.all((values == 0) | (values == 1)):
        share = (count * mean + 1) / (count + 2)
        error = max(error, float(np.sqrt(share * (1 - share) / (count + 2))))
    return Estimate(mean, error)


def bursts(indices: IndexSequence) -> Int[np.ndarray, " sequence"]:
    """Number of context pairs of the query's class, for each sequence."""
    classes = np.asarray(indices.classes)
    return (classes[:, :-1] == classes[:, -1:]).sum(axis=1)


def shares(
    counted: Int[np.ndarray, " n"], num_values: int, total: int | None = None
) -> Float[np.ndarray, " value"]:
    """The share of each of the values 0 .. num_values - 1; other values are ignored.

    total: the number that has a share of 1; None: the length of `counted`.
    """
    inside = counted[(counted >= 0) & (counted < num_values)]
    return np.bincount(inside, minlength=num_values) / (total or len(counted))


class Entropies(NamedTuple):
    """The entropy of the labels of each class drawn, in bits.

    draws: of each class. suffice: whether these are enough for its entropy. mean: over all draws;
    None where they are not enough.
    """

    classes: Int[np.ndarray, " class"]
    bits: Float[np.ndarray, " class"]
    draws: Int[np.ndarray, " class"]
    suffice: Bool[np.ndarray, " class"]
    mean: Estimate | None


def label_entropies(
    classes: Int[np.ndarray, " draw"], labels: Int[np.ndarray, " draw"]
) -> Entropies:
    """Entropies of the distribution of labels in each class, from independent draws.

    Draws must be independent given the class, so one of each sequence, whose items may share
    labels. The plug-in estimate is too low by (labels - 1) / (2 draws) nats, to first order in
    1 / draws; this is added, with the number of labels seen (Miller 1955). The correction fails
    where many labels were never seen. Their probability is about the share of labels seen once
    (Good 1953), and draws suffice where this is at most MAX_UNSEEN, for a class and for all
    classes drawn at least as often.
    """
    order = np.lexsort((labels, classes))
    classes, labels = classes[order], labels[order]
    starts = np.flatnonzero(np.diff(classes, prepend=classes[0] - 1))
    changes = np.diff(labels, prepend=labels[0] - 1) != 0
    changes[starts] = True
    runs = np.flatnonzero(changes)
    counts = np.diff(runs, append=len(labels)).astype(np.float64)
    draws = np.diff(starts, append=len(labels))
    class_of_run = np.searchsorted(starts, runs, side="right") - 1
    surprise = np.log(draws[class_of_run] / counts)
    values = np.bincount(class_of_run, minlength=len(starts))
    bias = (values - 1) / (2 * draws)
    nats = np.bincount(class_of_run, counts * surprise, len(starts)) / draws + bias
    once = np.bincount(class_of_run, counts == 1, len(starts))
    mean = None
    if once.sum() <= MAX_UNSEEN * len(labels):
        value = float(np.average(nats, weights=draws))
        spread = float(np.average((surprise - value) ** 2, weights=counts))
        error = float(np.sqrt(spread / len(labels)))
        mean = Estimate(value / np.log(2), error / np.log(2))
    bits = nats / np.log(2)
    # All classes drawn at least as often must pass too: one alone may pass by chance.
    by_draws = np.argsort(-draws, kind="stable")
    suffice = np.zeros(len(draws), bool)
    suffice[by_draws] = np.logical_and.accumulate((once <= MAX_UNSEEN * draws)[by_draws])
    return Entropies(classes[starts], bits, draws, suffice, mean)
