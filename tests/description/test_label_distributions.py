"""What a class is called: entropies as formulas, against plain sums and against samples."""

import math

import numpy as np
import pytest

from icl.description.label_distributions import shift_of
from icl.description.samples import draw_sample
from icl.description.sequences import measure_sample, theory

from .samples import parts_of

Z = 5.1
MIX = "data.mixture={bursty: 0.5, bursty_permuted: 0.5}"
FAMILIES = (
    "data.families={{mine: {{kind: few_shot, shots: 4, ways: 2, labels: {0}, classes: {1}}}}}"
)
MIXTURES = {
    "own and permuted": (MIX,),
    "own and some permuted": (MIX, "data.num_permuted_labels=9", "data.label_multiplicity=2"),
    "own and assigned": (
        "data.mixture={bursty: 1, fewshot_train: 1}",
        "data.shots=4",
        "data.label_noise=0.2",
    ),
    "by frequency": (
        "data.mixture={bursty_rare: 2, common_uniform: 1, bursty_permuted: 1}",
        "data.zipf_exponent=1",
        "data.num_permuted_labels=12",
    ),
    "in blocks": (MIX, "data.num_blocks=3", "data.zipf_exponent=1", "data.num_permuted_labels=5"),
    "of other classes": (FAMILIES.format("rare", "train"), "data.mixture={bursty: 1, mine: 1}"),
    "shared": (MIX, "data.num_meanings=6", "data.label_multiplicity=3"),
    "irrelevant": (MIX, "data.p_relevant=0.5", "data.num_permuted_labels=9"),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_entropy_of_a_mixture_is_that_of_what_is_drawn(name: str):
    parts = parts_of(*MIXTURES[name])
    sample = draw_sample(parts, "train", parts.families["train"], 60_000)
    counts = np.zeros((40, parts.config.data.num_labels))
    np.add.at(counts, (sample.classes[:, -1], sample.labels[:, -1]), 1)
    expected, draws = 0.0, counts.sum(axis=1)
    for row, drawn in zip(counts, draws, strict=True):
        shares = row[row > 0] / max(drawn, 1)
        bits = -np.sum(shares * np.log2(shares)) + (len(shares) - 1) / (2 * drawn or 1) / math.log(
            2
        )
        expected += (drawn / draws.sum()) * bits if drawn else 0
    bits = theory(parts)["label_entropy_bits"]
    measured = measure_sample(parts, sample)[0]
    assert bits == pytest.approx(expected, abs=0.03)
    if measured["label_entropy_bits"] is not None:
        error = Z * measured["label_entropy_bits_stderr"] + 2e-3
        assert abs(measured["label_entropy_bits"] - bits) <= error


def test_entropy_by_hand():
    """Class c is called 29 - c, or, as often, any of the first 10 alike."""
    bits = theory(parts_of(MIX, "data.num_permuted_labels=10"))["label_entropy_bits"]
    outside = 0.5 * math.log2(2) + 0.5 * math.log2(20)
    inside = 0.55 * math.log2(1 / 0.55) + 9 * 0.05 * math.log2(20)
    assert bits == pytest.approx((20 * outside + 10 * inside) / 30)


def test_an_entropy_is_measured_without_bias_or_not_at_all():
    """1600 labels, each class drawn some ten times."""
    many = (
        MIX,
        "data.source={kind: symbolic, num_classes: 1700}",
        "data.num_classes=1600",
        "data.num_holdout_classes=10",
    )
    for more, is_known in (((), True), (("data.num_permuted_labels=800",), False)):
        parts = parts_of(*many, *more)
        sample = draw_sample(parts, "train", parts.families["train"], 20_000)
        measured, (classes, _) = measure_sample(parts, sample)
        bits = measured["label_entropy_bits"]
        assert (bits is not None) == is_known
        if is_known:
            error = Z * measured["label_entropy_bits_stderr"]
            assert abs(bits - theory(parts)["label_entropy_bits"]) < error + 0.02
        assert len(classes) == 0


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.mixture={bursty: 1, mine: 1}", FAMILIES.format("flipped", "train")),
        ("data.zipf_exponent=1", MIX, "data.p_relevant=0.5"),
        ("data.mixture={bursty_permuted: 1}", "data.num_holdout_pairs=3", "data.shots=4"),
    ],
)
def test_entropies_without_a_formula_are_left_open(overrides: tuple[str, ...]):
    assert theory(parts_of(*overrides))["label_entropy_bits"] is None


def test_symbols_are_alike_but_for_a_shift():
    markov = (
        "data.source={kind: markov, num_symbols: 4, concentration: 0.2}",
        "evaluation.conditions=[markov]",
        "data.num_holdout_classes=0",
    )
    parts = parts_of(*markov)
    assert shift_of({"markov": parts.families["markov"]}, parts.config.data) == "symbol"
    sample = draw_sample(parts, "train", parts.families["train"], 20_000)
    measured = measure_sample(parts, sample)[0]
    by_hand = 0.0
    for c in range(4):
        labels = sample.labels[sample.classes[:, -1] == c, -1]
        shares = np.bincount(labels, minlength=4) / len(labels)
        by_hand -= np.sum(shares * np.log2(shares)) * len(labels) / 20_000
    assert measured["label_entropy_bits"] == pytest.approx(by_hand, abs=2e-3)
