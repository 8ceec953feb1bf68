"""Families of weight 0: nothing is drawn from them, so that they need not be drawable."""

import functools

import jax
import numpy as np
import pytest

from icl.config.yaml import load_config
from icl.data.batches import draw_indices
from icl.data.families.make import make_families
from icl.data.knobs import make_knobs
from icl.errors import UserError

from ..conftest import QUICKSTART
from ..messages import refused, spaced

NOT_DRAWABLE = [
    "data.num_classes=3 data.p_bursty=0",
    "data.p_bursty=0 data.shots=9",
    "data.p_bursty=1 data.non_bursty=markov",
    "data.mixture={independent:1,bursty_common:0} data.num_common_classes=0",
    "data.mixture={independent:1,fewshot_holdout:0,flip:0} data.num_holdout_classes=0",
    "data.mixture={independent:1,fewshot_holdout_pairs:0,bursty_permuted:0}",
    "data.mixture={independent:1,no_support_holdout_exemplars:0,bursty_novel:0}",
    "data.mixture={x:0,independent:1} data.families.x={kind:few_shot,ways:4}",
    "data.mixture={independent:1,x:0} data.families.x={kind:independent,context_len:3}",
    "data.mixture={independent:1,x:0} data.num_meanings=7 "
    "data.families.x={kind:bursty,others:rare,distinct_labels:true}",
    "data.mixture={x:0,independent:1} data.num_permuted_labels=2 data.num_holdout_pairs=0 "
    "data.families.x={kind:bursty,pattern:[4,2,2],labels:permuted}",
]


def load(settings: str):
    words = ["evaluation.conditions=[no_support]", *spaced(settings)]
    return load_config(QUICKSTART, words).data


def drawn(data, count: int):
    family, knobs = make_families(data)["train"], make_knobs(data, 1623, 20)
    return functools.partial(draw_indices, family=family, knobs=knobs, batch_size=count)


@pytest.mark.parametrize("settings", NOT_DRAWABLE)
def test_a_program_holds_or_leaves_out_what_is_not_drawn(settings: str):
    data = load(settings)
    indices = jax.eval_shape(drawn(data, 4), jax.random.key(0))
    assert indices.classes.shape == (4, data.context_len + 1)
    assert sum(data.weights.values()) == 1


@pytest.mark.parametrize("settings", NOT_DRAWABLE)
def test_what_is_drawn_is_checked(settings: str):
    for word, more in (
        (":0", ":0.5"),
        ("p_bursty=0", "p_bursty=0.5"),
        ("bursty=1 ", "bursty=0.5 "),
    ):
        settings = settings.replace(word, more)
    with pytest.raises(UserError, match="allowed"):
        load(settings)


def test_sequences_are_those_of_the_other_family():
    few = jax.jit(drawn(load("data.num_classes=3 data.p_bursty=0"), 64))(jax.random.key(1))
    assert set(np.unique(few.classes)) == {0, 1, 2}
    assert set(np.unique(few.family)) == {1}  # independent, the second of two
    multiplicity = load_config(QUICKSTART).data.label_multiplicity
    assert (few.labels // multiplicity == 2 - few.classes).all()  # own labels of three classes


def test_a_condition_is_checked_whatever_its_weight():
    with refused("data.num_classes = 3", "4", "bursty"):
        load_config(
            QUICKSTART,
            ["data.num_classes=3", "data.p_bursty=0", "evaluation.conditions=[bursty]"],
        )
