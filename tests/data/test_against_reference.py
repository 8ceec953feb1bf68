"""Every family, and training with all its options, against the plain NumPy of `reference.py`."""

import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.sources import ENDLESS_CLASSES, GaussianSource
from icl.data.batches import at_step
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.data.families.mixture import Mixture
from icl.data.knobs import make_knobs as knobs_of_data
from icl.data.labels import meanings_of

from ..chi_square import assert_same_samples
from . import reference
from .drawing import (
    NAMED_FAMILIES,
    context_counts,
    draw,
    knobs_of,
    make_data,
    make_knobs,
    num_different,
    plain_family,
    same,
)

NUM_PLAIN = 1000
SETTINGS = {
    "uniform": reference.Setting(12, 0.0, num_common_classes=4, num_holdout_exemplars=6),
    "zipf, multiplicity": reference.Setting(
        13,
        1.5,
        num_common_classes=5,
        label_multiplicity=3,
        num_exemplars=5,
        num_holdout_exemplars=3,
    ),
}


def statistics(d, setting: reference.Setting) -> dict[str, np.ndarray]:
    """What is compared, one whole number for each sequence."""
    ends = [setting.num_common_classes, setting.num_classes, setting.first_holdout_class]
    pools = np.searchsorted(ends, d.classes, side="right")
    # Novel classes hardly ever come twice: compare which tenth they are from.
    bucket = setting.num_source_classes // 10 if setting.num_source_classes > 1000 else 1
    meaning, classes = d.labels // setting.label_multiplicity, d.classes // bucket
    alike = same(d.classes) & same(d.exemplars)
    return {
        "query's class": classes[:, -1],
        "first class": classes[:, 0],
        "last class and query's": classes[:, -2] * 100 + classes[:, -1],
        "items of each pool": sum((pools == i).sum(1) * 20**i for i in range(4)),
        "pools of the last two": pools[:, -2] * 4 + pools[:, -1],
        "support": context_counts(d.classes)[:, -1],
        "support, by class": context_counts(d.classes)[:, -1] * 100 + classes[:, -1] % 100,
        "commonest count": context_counts(d.classes)[:, :-1].max(1),
        "classes in sequence": num_different(d.classes),
        "labels in sequence": num_different(d.labels),
        "label of the query": d.labels[:, -1],
        "first label": d.labels[:, 0],
        "query's class and meaning": classes[:, -1] % 100 * 100 + meaning[:, -1],
        "right labels in context": (d.labels[:, :-1] == d.labels[:, -1:]).sum(1),
        "right meanings of other classes": (
            (meaning[:, :-1] == meaning[:, -1:]) & (d.classes[:, :-1] != d.classes[:, -1:])
        ).sum(1),
        "pairs of one class and label": (same(d.classes) & same(d.labels)).sum((1, 2)),
        "copies of the query": alike[:, -1].sum(1),
        "copies": alike.sum((1, 2)),
        "exemplar of the query": d.exemplars[:, -1],
        "first two exemplars": d.exemplars[:, 0] * 100 + d.exemplars[:, 1],
        "query's class in the first half": same(d.classes)[:, -1, :4].sum(1),
        "repeats of the item before": np.diagonal(same(d.classes), 1, 1, 2).sum(1),
        "place of the query's class": same(d.classes)[:, -1].argmax(1),
        "synonyms": d.synonyms,
        "family": d.family,
    }


def assert_agrees(family, plain, knobs, setting) -> None:
    rng = np.random.default_rng(0)
    sequences = [plain(rng, setting) for _ in range(NUM_PLAIN)]
    slow = reference.Drawn(*(np.array(part) for part in zip(*sequences, strict=True)))
    fast = draw(family, knobs, seed=2)
    expected, observed = statistics(slow, setting), statistics(fast, setting)
    for name in expected:
        try:
            assert_same_samples(expected[name], observed[name])
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(
    "name", [n for n in NAMED_FAMILIES if "novel" not in n and "pairs" not in n]
)
def test_named_families(name, setting):
    family = NAMED_FAMILIES[name]
    assert_agrees(family, plain_family(family), knobs_of(setting), setting)


OTHERS = {
    "reference code": Bursty((3, 3, 1, 1), distinct=False, is_training=True),
    "overlapping pools": Bursty((4, 2, 1, 1), "uniform", "common_zipfian", labels="flipped"),
    "pools of Zipf's law": Bursty((1, 3, 3, 1), "rare_zipfian", "uniform", order="grouped"),
    "blocked": Bursty((2, 2, 2, 2), labels="rare", order="blocked"),
    "independent pools": Bursty((3, 2, 1), "common", "train", distinct=False),
}


@pytest.mark.parametrize("family", OTHERS.values(), ids=OTHERS)
def test_other_families(family):
    setting = SETTINGS["zipf, multiplicity"]
    assert_agrees(family, plain_family(family), knobs_of(setting), setting)


def test_novel_classes_that_share_meanings():
    data = make_data(num_classes=20, num_holdout_classes=4, num_meanings=8, label_multiplicity=2)
    data = data.model_copy(update={"source": GaussianSource()})
    knobs = knobs_of_data(data, ENDLESS_CLASSES, 30)
    setting = reference.Setting(
        20,
        num_source_classes=ENDLESS_CLASSES,
        num_common_classes=10,
        num_meanings=8,
        label_multiplicity=2,
        num_exemplars=30,
    )
    family = NAMED_FAMILIES["bursty_novel"]
    assert_agrees(family, plain_family(family), knobs, setting)


def test_pairs_held_out():
    """Pairs that the seed leaves out of training are those of the reference."""
    setting = SETTINGS["uniform"]._replace(num_permuted_labels=6)
    knobs = make_knobs(
        num_classes=12, num_holdout_classes=4, num_permuted_labels=6, num_holdout_pairs=4
    )
    pairs = frozenset(map(tuple, np.asarray(knobs.label_pairs)[-4:].tolist()))
    setting = setting._replace(holdout_pairs=pairs, num_common_classes=10)
    for family in (
        NAMED_FAMILIES["fewshot_holdout_pairs"],
        Bursty((4, 4), labels="permuted", is_training=True),
    ):
        assert_agrees(family, plain_family(family), knobs, setting)


# ---- the training distribution with everything on

FAMILIES = (
    Bursty((3, 3, 1, 1), is_training=True),
    Bursty((4, 2, 1, 1), "rare", "common", order="grouped", is_training=True),
    Bursty((2, 2, 2, 2), labels="permuted", distinct=False, is_training=True),
    Independent(8, support="always"),
)
OPTIONS = {
    "zipf_exponent": 1.0,
    "label_multiplicity": 2,
    "p_relevant": 0.7,
    "p_matched_exemplar": 0.3,
    "p_copied_exemplar": 0.4,
    "label_noise": 0.1,
    "cue_reliability": 0.8,
}
WEIGHTS = [0.4, 0.3, 0.0, 0.3]


def test_training_with_all_options():
    """Sequences agree also with meanings that have drifted for so many steps."""
    common = {"num_classes": 12, **OPTIONS}
    mixture = dict(zip(("bursty", "bursty_rare", "supported", "independent"), WEIGHTS, strict=True))
    knobs = make_knobs(
        num_common_classes=5, num_holdout_classes=4, drift_rate=0.01, mixture=mixture, **common
    )
    knobs = at_step(knobs, jnp.int32(70))
    setting = reference.Setting(
        num_common_classes=5, meanings=tuple(meanings_of(jnp.arange(12), knobs).tolist()), **common
    )
    plain = [plain_family(family) for family in FAMILIES]
    assert_agrees(
        Mixture(FAMILIES),
        lambda rng, setting: reference.mixture(rng, setting, plain, WEIGHTS),
        knobs,
        setting,
    )
