"""Classes with different numbers of exemplars: each class's own are drawn, and never padding."""

import functools

import jax
import numpy as np
import pytest

from icl.config.experiment import ExperimentConfig
from icl.data import knobs
from icl.data.batches import draw_batch
from icl.data.families import Family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.sources.on_device import (
    check_exemplars,
    example_items,
    exemplars_in_use,
    put_on_device,
)
from icl.types import ExemplarBank, Exemplars, IndexSequence, Knobs

from ..chi_square import assert_same_distribution
from ..messages import refused
from .drawing import QUICKLY, same

COUNTS = np.array([5, 9, 6, 5, 7, 9, 6, 8, 5, 6])
NUM = 4000


def make_config(held_out: int = 0, **settings) -> ExperimentConfig:
    base = {"context_len": 4, "shots": 2, "ways": 1, "num_classes": 6, "num_holdout_classes": 4}
    source = {"kind": "features", "path": "a.npz"}
    data = {"source": source, "num_holdout_exemplars": held_out} | base | settings
    model = {"kind": "transformer", "embedder": {"kind": "linear"}}
    evaluation = {"conditions": ["fewshot_holdout"], "shots": 1}
    return ExperimentConfig.model_validate({"data": data, "model": model, "evaluation": evaluation})


def make_bank(counts: np.ndarray = COUNTS) -> ExemplarBank:
    """Exemplars that hold their class and number; padding is NaN."""
    most = counts.max()
    bank = np.stack(np.indices((len(counts), most), np.float32), axis=-1)
    bank[np.arange(most) >= counts[:, None]] = np.nan
    return ExemplarBank(bank, tuple(map(str, counts)), counts.astype(np.int32))


@functools.cache
def parts(held_out: int = 0, **settings) -> tuple[np.ndarray, Exemplars, Knobs]:
    """The counts of classes in the order of the split, the exemplars, and the knobs."""
    data = make_config(held_out, **settings).data
    exemplars = put_on_device(data, make_bank())
    order = np.random.default_rng(data.split_seed).permutation(len(COUNTS))
    made = knobs.make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars))
    return COUNTS[order], exemplars, made


@functools.partial(jax.jit, static_argnums=(0, 3), compiler_options=QUICKLY)
def jit_draw(family: Family, own_knobs: Knobs, arrays, fetch):
    exemplars = Exemplars(arrays, fetch, 10, 9, (2,))
    return draw_batch(jax.random.key(0), NUM, family, own_knobs, exemplars)


def draw(family: Family, exemplars: Exemplars, own: Knobs) -> tuple[IndexSequence, np.ndarray]:
    drawn = jit_draw(family, own, exemplars.arrays, exemplars.fetch)
    return jax.tree.map(np.asarray, (drawn[0], drawn[1].exemplars))


FAMILIES = {
    "bursty": Bursty((2, 2, 1)),
    "from two pools": Bursty((2, 1, 1), "common", "rare", order="grouped"),
    "with irrelevant contexts and copies": Bursty((2, 2, 1), is_training=True),
    "with replacement": Bursty((2, 2), distinct=False),
    "few shots of held-out classes": Bursty((2, 2), "holdout", labels="assigned", num_ways=2),
    "independent": Independent(4),
    "no support": Independent(4, support="never"),
}
ON = {"p_relevant": 0.5, "p_matched_exemplar": 0.3, "p_copied_exemplar": 0.3}


@pytest.mark.parametrize("held_out", [0, 2])
@pytest.mark.parametrize("name", FAMILIES)
def test_exemplars_are_uniform_over_those_of_the_class_at_every_place(name, held_out):
    family = FAMILIES[name]
    settings = {"num_common_classes": 3} | (ON if "copies" in name else {})
    counts, exemplars, own = parts(held_out, **settings)
    drawn, items = draw(family, exemplars, own)
    assert np.isfinite(items).all()  # no padding
    in_use = counts - held_out
    for place in range(drawn.classes.shape[1]):
        for one in np.unique(drawn.classes[:, place]):
            found = drawn.exemplars[drawn.classes[:, place] == one, place]
            observed = np.bincount(found, minlength=in_use[one])
            assert_same_distribution(observed, np.full(in_use[one], 1 / in_use[one]))


@pytest.mark.parametrize(
    "family",
    [Bursty((2, 2, 1), holdout_exemplars=True), Independent(4, holdout_exemplars=True)],
    ids=["bursty", "independent"],
)
def test_held_out_exemplars_are_the_last_of_each_class(family):
    counts, exemplars, own = parts(3)
    drawn, items = draw(family, exemplars, own)
    assert np.isfinite(items).all()
    numbers = drawn.exemplars - (counts[drawn.classes] - 3)
    for place in range(numbers.shape[1]):
        assert_same_distribution(np.bincount(numbers[:, place], minlength=3), np.full(3, 1 / 3))


def test_the_exemplars_of_a_class_differ():
    _, exemplars, own = parts()
    for family in (FAMILIES["bursty"], FAMILIES["independent"]):
        drawn, _ = draw(family, exemplars, own)
        pair = same(drawn.classes) & same(drawn.exemplars)
        assert (pair.sum(-1) == 1).all()


def test_items_are_those_of_their_class_and_number():
    _, exemplars, own = parts()
    drawn, items = draw(FAMILIES["independent"], exemplars, own)
    order = np.random.default_rng(make_config().data.split_seed).permutation(len(COUNTS))
    np.testing.assert_array_equal(items[..., 0], order[drawn.classes])
    np.testing.assert_array_equal(items[..., 1], drawn.exemplars)


@pytest.mark.parametrize("limit", [10_000, 7])
def test_examples_are_evenly_spaced_over_all_but_padding(limit):
    counts, exemplars, _ = parts(1)
    items = example_items(make_config(1).data, exemplars, limit)
    assert np.isfinite(items).all()
    order = np.random.default_rng(make_config().data.split_seed).permutation(len(COUNTS))
    expected = [(order[c], e) for c in range(6) for e in range(counts[c] - 1)]
    step = -(-len(expected) // limit)
    np.testing.assert_array_equal(items, expected[::step])


def test_equal_numbers_are_drawn_by_the_program_of_an_array():
    data = make_config().data
    equal = put_on_device(data, ExemplarBank(make_bank().exemplars[:, :5], ("",) * 10))
    fixed = put_on_device(make_config(num_exemplars=5).data, make_bank())
    assert exemplars_in_use(data, equal) == 5
    assert exemplars_in_use(make_config(num_exemplars=5).data, fixed) == 5


# What is refused.


def test_a_class_with_too_few_exemplars():
    config = make_config(shots=4)
    counts = np.where(np.arange(10) == 3, 3, COUNTS)
    with refused("data.num_exemplars = null: 3 of the classes with fewest", "at least 5"):
        check_exemplars(config, put_on_device(config.data, make_bank(counts)))
    counts = np.where(np.arange(10) == 3, 1, COUNTS)  # all items of one are copies
    check_exemplars(config, put_on_device(config.data, make_bank(counts)))
    counts = np.where(np.arange(10) == 4, 2, counts)
    with refused("data.num_exemplars = null: 2 of some classes", "at least 5"):
        check_exemplars(config, put_on_device(config.data, make_bank(counts)))


@pytest.mark.parametrize(
    ("settings", "subject", "allowed"),
    [
        ({"num_exemplars": 6}, "data.num_exemplars = 6", "at most the 5 exemplars"),
        ({"num_holdout_exemplars": 5}, "data.num_holdout_exemplars = 5", "at most 4"),
    ],
)
def test_more_exemplars_than_the_smallest_class_has(settings, subject, allowed):
    with refused(subject, allowed, "the smallest class of data.source (features)"):
        put_on_device(make_config(**settings).data, make_bank())
