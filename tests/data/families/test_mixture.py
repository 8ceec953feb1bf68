"""Mixtures of families, and the randomness and compilation of all of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.data.batches import count_bits, draw_indices
from icl.data.bits import RandomBits
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.families.mixture import Mixture

from ...chi_square import assert_proportion, assert_same_distribution
from ..drawing import (
    BURSTY,
    INDEPENDENT,
    NAMED_FAMILIES,
    NUM,
    QUICKLY,
    context_counts,
    draw,
    make_knobs,
    same,
)

TRAIN = Mixture((BURSTY, INDEPENDENT))
FOUR = Mixture(
    (
        Independent(4, "common"),
        Bursty((4,), "rare"),
        Independent(4, "common", support="never"),
        Bursty((2, 2), labels="assigned"),
    )
)
NAMES = ("bursty", "independent", "supported", "no_support")  # of the weights, in this order


def with_weights(*weights: float, **settings):
    """A mixture's knobs; the names say nothing here."""
    return make_knobs(mixture=dict(zip(NAMES, weights, strict=False)), **settings)


# ---- shares


@pytest.mark.parametrize("p_bursty", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_share_of_bursty_sequences(p_bursty):
    drawn = draw(TRAIN, with_weights(p_bursty, 1 - p_bursty))
    is_bursty = drawn.family == 0
    assert_proportion(is_bursty.sum(), NUM, p_bursty)
    counts = context_counts(drawn.classes)[is_bursty]
    assert (np.sort(counts[:, :-1], axis=1) == [1, 1, 3, 3, 3, 3, 3, 3]).all()


@pytest.mark.parametrize(
    "weights", [(1, 2, 3, 4), (1, 0, 0, 3), (0, 0, 1, 0), (0, 5, 5, 0), (1e-3, 0, 1e6, 0)], ids=str
)
def test_shares_of_four_families(weights):
    """A family of weight 0 never comes, and each makes its own kind of sequence."""
    drawn = draw(FOUR, with_weights(*weights))
    exact = np.array(weights) / sum(weights)
    assert_same_distribution(np.bincount(drawn.family, minlength=4), exact)
    counts = context_counts(drawn.classes)[:, -1]
    assert (drawn.classes[(drawn.family == 0) | (drawn.family == 2)] < 10).all()
    assert (drawn.classes[drawn.family == 1] >= 10).all()
    for family, support in ((1, 4), (2, 0), (3, 2)):
        assert (counts[drawn.family == family] == support).all()
    assert (drawn.labels[drawn.family == 3] < 2).all()


def test_one_family_is_itself():
    knobs = make_knobs(zipf_exponent=1.0)
    drawn = draw(Mixture((BURSTY,)), knobs)
    assert (drawn.family == 0).all()
    assert (context_counts(drawn.classes)[:, -1] == 3).all()


def test_each_family_has_its_own_synonyms():
    drawn = draw(FOUR, with_weights(1, 1, 1, 1, label_multiplicity=3))
    np.testing.assert_array_equal(drawn.synonyms, np.where(drawn.family == 3, 1, 3))


def test_the_rest_of_the_mixture_is_independent():
    drawn = draw(TRAIN, with_weights(0.5, 0.5, num_classes=10, label_multiplicity=4))
    plain = context_counts(drawn.classes)[drawn.family == 1][:, -1]
    exact = stats.binom.pmf(np.arange(9), 8, 0.1)
    assert_same_distribution(np.bincount(plain, minlength=9), exact)
    assert not same(drawn.labels)[drawn.family == 1].all()


# ---- randomness

MAIN = {
    "mixture": TRAIN,
    **{
        name: NAMED_FAMILIES[name]
        for name in (
            "bursty",
            "independent",
            "no_support",
            "fewshot_train",
            "fewshot_holdout",
            "flip",
        )
    },
}
# One of each, the training families in their mixture.
SHORT = {
    "few-shot, held out": Bursty((1, 1), "holdout", labels="rare"),
    "mixture": Mixture(
        (Bursty((2,), order="grouped", is_training=True), Independent(2, support="always"))
    ),
}
ALL_ON = {
    "p_relevant": 0.5,
    "p_matched_exemplar": 0.5,
    "p_copied_exemplar": 0.5,
    "label_noise": 0.5,
    "cue_reliability": 0.5,
    "drift_rate": 0.5,
}


def knobs_of(name: str, **settings):
    weights = (0.5, 0.5) if name == "mixture" else (1,)
    return with_weights(*weights, **settings)


@pytest.mark.parametrize("name", SHORT)
def test_same_words_same_sequence_however_it_is_run(name):
    family = SHORT[name]
    knobs = knobs_of(name, num_classes=12, zipf_exponent=1.0, label_multiplicity=3, **ALL_ON)
    batch = jax.random.bits(jax.random.key(7), (2, count_bits(family, knobs)), jnp.uint32)

    def one(row, knobs):
        return family(RandomBits(row), knobs)

    jitted = jax.jit(one)
    mapped = jax.jit(jax.vmap(one, (0, None)), compiler_options=QUICKLY)(batch, knobs)
    for i, row in enumerate(batch):
        once = jitted(row, knobs)
        for other in (jitted(row, knobs), jax.tree.map(lambda x, i=i: x[i], mapped)):
            jax.tree.map(np.testing.assert_array_equal, once, other)
    if name == "few-shot, held out":
        jax.tree.map(np.testing.assert_array_equal, once, one(batch[-1], knobs))  # eager


@pytest.mark.parametrize("name", MAIN)
def test_same_key_same_sequences(name):
    drawn = [draw(MAIN[name], knobs_of(name)) for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *drawn)


@pytest.mark.parametrize("name", MAIN)
def test_other_keys_give_other_sequences(name):
    first, second = (draw(MAIN[name], knobs_of(name), seed=seed) for seed in (1, 2))
    assert (first.classes != second.classes).any(1).mean() > 0.9
    assert (first.classes[1:] != first.classes[:-1]).any(1).mean() > 0.9
    assert (first.exemplars != second.exemplars).any(1).mean() > 0.9


@pytest.mark.parametrize("name", SHORT)
def test_no_key_is_used_twice(name):
    knobs = knobs_of(name, num_classes=12)
    with jax.debug_key_reuse(True):
        jax.jit(
            lambda key, knobs: draw_indices(key, SHORT[name], knobs, 2), compiler_options=QUICKLY
        )(jax.random.key(0), knobs)


def test_a_key_used_twice_would_be_noticed():
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError):
        jax.jit(lambda key: jax.random.bits(key) + jax.random.bits(key))(jax.random.key(0))


@pytest.mark.parametrize("name", SHORT)
def test_every_word_is_taken_and_no_more(name):
    knobs = knobs_of(name, **ALL_ON)
    count = count_bits(SHORT[name], knobs)
    bits = RandomBits(jnp.arange(count, dtype=jnp.uint32))
    jax.eval_shape(lambda: SHORT[name](bits, knobs))
    assert bits.used == count
    with pytest.raises(AssertionError, match="more random bits"):
        jax.eval_shape(lambda: SHORT[name](RandomBits(jnp.zeros(count - 1, jnp.uint32)), knobs))


# ---- compilation

# (value, another one): of every knob that may vary in a compiled program.
VARIED = {
    "mixture": ({"bursty": 0.5, "independent": 0.5}, {"bursty": 0.9, "independent": 0.1}),
    "num_classes": (50, 20),
    "num_common_classes": (10, 5),
    "num_holdout_classes": (14, 10),
    "zipf_exponent": (1.0, 2.0),
    "label_multiplicity": (2, 9),
    "num_exemplars": (20, 3),
    "num_holdout_exemplars": (5, 6),
    "num_meanings": (10, 9),
    "num_permuted_labels": (18, 12),
    "split_seed": (1, 2),
    **{name: (value, 0.25) for name, value in ALL_ON.items()},
}
MATTERS_NOT = ("num_common_classes", "num_holdout_classes", "num_holdout_exemplars")


def test_all_knobs_share_one_program():
    num_traces = 0
    families = (
        BURSTY,
        Bursty((4, 4), labels="permuted", is_training=True),
    )

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def sequences(key, knobs):
        nonlocal num_traces
        num_traces += 1
        return draw_indices(key, Mixture(families), knobs._replace(step=jnp.int32(5)), 64)

    plain = {name: value for name, (value, _) in VARIED.items()}
    first = sequences(jax.random.key(0), make_knobs(**plain))
    for name, (_, other) in VARIED.items():
        drawn = sequences(jax.random.key(0), make_knobs(**plain | {name: other}))
        differs = any((a != b).any() for a, b in zip(first, drawn, strict=True))
        assert differs == (name not in MATTERS_NOT), name
    assert num_traces == 1


@pytest.mark.parametrize("name", ["independent", "no_support"])
def test_spare_capacity_changes_nothing(name):
    """A table for more classes, padded, gives the same classes bit for bit."""
    small, large = (
        make_knobs(num_classes=10, zipf_exponent=1.0, num_source_classes=n, num_holdout_classes=0)
        for n in (10, 64)
    )
    drawn = [draw(NAMED_FAMILIES[name], knobs) for knobs in (small, large)]
    jax.tree.map(np.testing.assert_array_equal, *drawn)
