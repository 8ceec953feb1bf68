"""What is measured on samples, against plain loops; and closed forms, against samples."""

import itertools
import math

import numpy as np
import pytest

from icl.description.closed_forms import burst_counts, class_frequencies, make_pools
from icl.description.sequences import measure_sample, theory
from icl.description.statistics import bursts, estimate, label_entropies, shares
from icl.types import IndexSequence

from ..chi_square import ALPHA, assert_same_distribution
from .samples import NUM_SEQUENCES, TRAINING, parts_of, training_sample

Z = 5.1  # standard errors that a normal number exceeds with a probability below ALPHA


def test_bursts_are_counted_as_in_a_loop():
    rng = np.random.default_rng(0)
    classes = rng.integers(4, size=(200, 6))
    zero = np.zeros_like(classes)
    indices = IndexSequence(classes, zero, zero, zero[:, 0] + 1, zero[:, 0])
    expected = [sum(c == row[-1] for c in row[:-1]) for row in classes.tolist()]
    assert bursts(indices).tolist() == expected


def test_means_and_their_errors():
    value, error = estimate(np.array([0.0, 1.0, 1.0, 0.0]))
    assert (value, error) == (0.5, 0.25)


def test_shares_leave_out_what_is_not_asked_for():
    assert shares(np.array([0, 0, 2, 7]), 3).tolist() == [0.5, 0, 0.25]


def test_shares_never_seen_have_an_error():
    value, error = estimate(np.zeros(98, bool))
    assert value == 0
    assert error == pytest.approx(math.sqrt(0.01 * 0.99 / 100))
    assert estimate(np.ones(98)).stderr == pytest.approx(error)
    assert estimate(np.full(98, 0.5)).stderr == 0  # no share: the same in all sequences


def entropy_of(labels):
    return label_entropies(np.zeros(len(labels), int), labels)


def test_entropy_has_the_bias_of_few_draws_taken_out():
    """Mean of many estimates from 40 draws of 6 values; the plug-in estimate is 0.09 bits low."""
    rng = np.random.default_rng(0)
    probs = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    true = -np.sum(probs * np.log2(probs))
    labels = rng.choice(6, p=probs, size=4000 * 40)
    estimates = label_entropies(np.arange(4000).repeat(40), labels)
    assert abs(estimates.bits.mean() - true) < 0.01
    assert abs(estimates.mean.value - true) < 0.01
    assert estimates.bits[0] == pytest.approx(entropy_of(labels[:40]).bits[0])
    errors = [
        found.stderr
        for found in (entropy_of(part).mean for part in labels.reshape(4000, 40))
        if found is not None
    ]
    assert np.mean(errors) == pytest.approx(estimates.bits.std(), rel=0.15)
    assert entropy_of(np.array([1] * 7)).mean.value == 0


def test_an_entropy_of_labels_that_were_not_all_seen_has_no_mean():
    """1000 labels, 500 draws: corrected for its bias it is still 1.4 bits low."""
    rng = np.random.default_rng(0)
    found = entropy_of(rng.integers(1000, size=500))
    assert found.bits[0] < math.log2(1000) - 0.5
    assert found.mean is None
    assert not found.suffice.any()


def test_entropy_of_each_class_is_that_of_its_own_labels():
    rng = np.random.default_rng(0)
    classes, labels = rng.choice([2, 5, 9], 500), rng.integers(4, size=500)
    labels[classes == 5] = 1
    found = label_entropies(classes, labels)
    assert found.classes.tolist() == [2, 5, 9]
    assert found.suffice.all()
    for i, c in enumerate(found.classes):
        assert found.draws[i] == np.sum(classes == c)
        shares = np.bincount(labels[classes == c]) / found.draws[i]
        plug_in = -sum(p * math.log2(p) for p in shares if p)
        bias = (np.sum(shares > 0) - 1) / (2 * found.draws[i]) / math.log(2)
        assert found.bits[i] == pytest.approx(plug_in + bias, abs=1e-12)


@pytest.mark.parametrize("name", TRAINING)
def test_closed_forms_are_what_is_drawn(name: str):
    parts, sample = training_sample(name)
    intended = theory(parts)
    counts = np.bincount(bursts(sample), minlength=sample.classes.shape[1])
    assert_same_distribution(counts, intended["burst_counts"])
    assert intended["p_query_in_context"] == pytest.approx(1 - intended["burst_counts"][0])
    frequencies = intended["class_frequencies_by_class"]
    queries = np.bincount(sample.classes[:, -1], minlength=30)
    assert_same_distribution(queries, frequencies)


@pytest.mark.parametrize("name", TRAINING)
def test_what_is_measured_is_what_was_intended(name: str):
    parts, sample = training_sample(name)
    measured, intended = measure_sample(parts, sample)[0], theory(parts)
    p = intended["p_query_in_context"]
    error = math.sqrt(p * (1 - p) / NUM_SEQUENCES)
    assert abs(measured["p_query_in_context"] - p) <= Z * error
    assert sum(measured["burst_counts"]) == pytest.approx(1)
    frequencies = np.array(measured["class_frequencies"])
    assert np.all(np.diff(frequencies) <= 0)
    assert frequencies.sum() == pytest.approx(1)
    bits, error = measured["label_entropy_bits"], measured["label_entropy_bits_stderr"]
    # What is left of the bias is of the order of (labels / draws) squared.
    assert abs(bits - intended["label_entropy_bits"]) <= Z * error + 2e-3


@pytest.mark.parametrize(
    ("overrides", "bits"),
    [
        ((), 0),
        (("data.label_multiplicity=4",), 2),
        (("data.label_multiplicity=3", "data.num_meanings=6"), math.log2(3)),
        (("data.label_noise=1",), math.log2(30)),
        (("data.mixture={bursty_permuted: 1}", "data.num_permuted_labels=16"), 4),
    ],
)
def test_entropy_of_labels_as_intended(overrides: tuple[str, ...], bits: float):
    entropy = theory(parts_of(*overrides))["label_entropy_bits"]
    assert entropy == pytest.approx(bits, abs=1e-12)


def test_support_by_exhaustion():
    """All sequences of a context of three from four classes, drawn one by one."""
    for support in ("any", "always", "never"):
        family = f"data.families={{mine: {{kind: independent, support: {support}}}}}"
        parts = parts_of(
            family,
            "data.mixture={mine: 1}",
            "data.context_len=3",
            "data.num_classes=4",
            "data.num_common_classes=2",
            "data.zipf_exponent=1",
            "evaluation.conditions=[no_support]",
        )
        pools = make_pools(parts.config.data)
        p = pools("train").probs
        counts, frequencies = np.zeros(4), np.zeros(4)
        for *context, query in itertools.product(range(4), repeat=4):
            weight = p[query] * np.prod(p[context])
            if support == "never":
                weight = 0.0 if query in context else weight / (1 - p[query]) ** 3
            replace = support == "always" and query not in context
            for asked in context if replace else [query] * 3:
                counts[context.count(asked)] += weight / 3
                frequencies[asked] += weight / 3
        built = parts.families["mine"]
        np.testing.assert_allclose(burst_counts(built, parts.config.data, pools), counts)
        np.testing.assert_allclose(class_frequencies(built, parts.config.data, pools), frequencies)


def test_support_is_reported_where_counts_are_not():
    """Too many classes for a sum over pairs of their probabilities; but the class is there."""
    parts = parts_of(
        "data.source={kind: symbolic, num_classes: 6000}",
        "data.num_classes=5900",
        "data.mixture={bursty: 1, supported: 3, common_no_support: 4}",
        "data.zipf_exponent=1",
    )
    intended = theory(parts)
    assert intended["burst_counts"] is None
    assert intended["p_query_in_context"] == pytest.approx(0.5)


def test_what_has_no_closed_form_is_left_open():
    zipf = ("data.zipf_exponent=1", "data.p_relevant=0.5")
    intended = theory(parts_of(*zipf))
    assert intended["class_frequencies"] is None
    assert intended["burst_counts"] is not None
    markov = theory(
        parts_of(
            "data.source={kind: markov, num_symbols: 4}",
            "evaluation.conditions=[markov]",
            "data.num_holdout_classes=0",
        )
    )
    assert markov["burst_counts"] is None
    assert markov["label_entropy_bits"] is None
    assert markov["class_frequencies"] == [0.25] * 4


def test_the_false_alarm_rate_is_as_stated():
    assert math.erfc(Z / math.sqrt(2)) < ALPHA
