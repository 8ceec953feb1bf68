"""The user's own probabilities of classes: read, refused, and drawn as plain NumPy draws them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.experiment import ExperimentConfig
from icl.config.traced import program_of
from icl.config.yaml import dump_config, load_config
from icl.data.classes import class_thresholds, draw_classes
from icl.data.families.bursty import Bursty
from icl.data.frequencies import class_weights, is_uniform, zipf_weights
from icl.description.closed_forms import make_pools
from icl.description.label_distributions import LabelRange, range_of

from ..chi_square import assert_same_distribution
from ..conftest import QUICKSTART
from ..messages import errors, refused
from .drawing import INDEPENDENT, QUICKLY, draw, make_data, make_knobs

SHARES = np.array([0.4, 0.3, 0.2, 0.06, 0.04])
FIVE = {"num_classes": 5, "num_common_classes": 2, "num_holdout_classes": 3}
SHORT = {"context_len": 4, "shots": 1, "ways": 1}
FIELD = "data.class_probabilities"


def test_a_list_of_zipfs_weights_is_zipfs_law_to_the_bit():
    listed = make_knobs(class_probabilities=zipf_weights(50, 1.5).tolist()).pools
    for name, pool in make_knobs(zipf_exponent=1.5).pools.items():
        jax.tree.map(np.testing.assert_array_equal, listed[name], pool)


@pytest.mark.parametrize("largest", [0.4, 1e-300, 1e30])
def test_probabilities_are_exact_to_a_unit_whatever_their_sum(largest):
    data = make_data(class_probabilities=(SHARES / 0.4 * largest).tolist(), **FIVE)
    ends = class_thresholds(class_weights(data), 5)[:4].astype(np.int64)
    widths = np.diff(ends, prepend=0, append=2**32)
    assert np.abs(widths - SHARES * 2**32).max() <= 1


jit_two = jax.jit(jax.vmap(draw_classes, (0, None)), compiler_options=QUICKLY)


@pytest.mark.parametrize("pool", ["train", "common_zipfian", "rare_zipfian", "common", "uniform"])
def test_each_pool_is_drawn_as_plain_numpy_draws_it(pool):
    bits = jax.random.bits(jax.random.key(0), (20_000, 2), jnp.uint32)
    drawn = jit_two(bits, make_knobs(class_probabilities=SHARES.tolist(), **FIVE).pools[pool])
    first, end = {"common": (0, 2), "rare": (2, 5)}.get(pool.partition("_")[0], (0, 5))
    p = np.zeros(5)
    p[first:end] = 1 if pool in ("common", "uniform") else SHARES[first:end]
    p /= p.sum()
    pairs = np.zeros((5, 5))
    for a, b in itertools.permutations(range(first, end), 2):  # without replacement
        pairs[a, b] = p[a] * p[b] / (1 - p[a])
    codes = np.asarray(drawn) @ [5, 1]
    assert_same_distribution(np.bincount(codes, minlength=25), pairs)


def test_items_of_sequences_follow_the_probabilities():
    drawn = draw(INDEPENDENT, make_knobs(class_probabilities=SHARES.tolist(), **FIVE)).classes
    assert_same_distribution(np.bincount(drawn.ravel(), minlength=5), SHARES)


def test_exact_formulas_have_the_same_probabilities():
    pools = make_pools(make_data(class_probabilities=(3 * SHARES).tolist(), **FIVE))
    for name, expected in (("train", SHARES), ("rare_zipfian", SHARES[2:] / 0.3)):
        pool = pools(name)
        assert pool is not None
        np.testing.assert_allclose(pool.probs, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("own", "uniform"), [(SHARES.tolist(), False), ([2.0] * 5, True), (None, True)]
)
def test_labels_of_the_pool_are_uniform_only_if_the_pool_is(own, uniform):
    data = make_data(class_probabilities=own, **FIVE)
    assert is_uniform(data) == uniform
    family = Bursty((1,), labels="train")
    assert range_of(family, data) == (LabelRange(0, 5) if uniform else None)


def test_all_frequencies_share_one_program():
    def program(**data) -> str:
        return program_of(ExperimentConfig.model_validate({"data": FIVE | SHORT | data}))

    zipf = program(zipf_exponent=1.0)
    assert program(class_probabilities=SHARES.tolist()) == zipf
    assert program(class_probabilities="a.npy") == zipf
    shapes = [
        jax.tree.map(jnp.shape, make_knobs(**FIVE, **own))
        for own in ({"zipf_exponent": 1.0}, {"class_probabilities": SHARES.tolist()})
    ]
    assert shapes[0] == shapes[1]


# Files.


@pytest.mark.parametrize("name", ["a.npy", "a.csv", "row.csv", "a.txt", "a.TXT"])
def test_files(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, SHARES)
    elif name == "row.csv":
        np.savetxt(path, SHARES[None], delimiter=",")
    else:
        np.savetxt(path, SHARES)
    weights = class_weights(make_data(class_probabilities=str(path), **FIVE))
    np.testing.assert_allclose(weights, SHARES / 0.4, rtol=1e-15)


def with_number(index: int, number: float) -> np.ndarray:
    return np.where(np.arange(5) == index, number, SHARES)


@pytest.mark.parametrize(
    ("numbers", "found", "allowed"),
    [
        (SHARES[:4], "4 numbers", "5 of them"),
        (SHARES[[0, 2, 1, 3, 4]], "number 2 is 0.3 after 0.2", "descending order"),
        (with_number(3, -0.1), "number 3 is -0.1", "above 0"),
        (with_number(4, 0), "number 4 is 0", "above 0"),
        (with_number(1, np.nan), "number 1 is nan", "finite"),
        (with_number(4, 1e-11), "number 4 is 1.04e-11 of the sum of all", "at least 2^-32"),
        (np.ones((5, 2)), "shape [5, 2]", "one number for each class"),
        (SHARES > 0, "holds bool", "real numbers"),
        (np.zeros(0), "shape [0]", "one number for each class"),
    ],
)
def test_wrong_numbers_in_a_file(tmp_path, numbers, found, allowed):
    path = tmp_path / "a.npy"
    np.save(path, numbers)
    with refused(f"{FIELD} = {path}", found, allowed):
        make_knobs(class_probabilities=str(path), **FIVE)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("no.npy", None, "no such file"),
        ("a.npy", "x", "cannot be read"),
        ("a.csv", "1,x", "cannot be read"),
        ("a.md", "1", "unknown extension"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, text, found):
    path = tmp_path / name
    if text:
        path.write_text(text)
    with refused(f"{FIELD} = {path}", found, "allowed"):
        make_knobs(class_probabilities=str(path), **FIVE)


# Lists, which are checked with the config.


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("[1, 1]", f"{FIELD} = 2 numbers; allowed: 1600 of them, one for each of data.num_classes"),
        ("[]", f"{FIELD} = []; allowed: a list of numbers, a file .npy, .csv or .txt, or null"),
        ("3", f"{FIELD} = 3; allowed: a list of numbers, a file .npy, .csv or .txt, or null"),
        ("[1, x]", f"{FIELD}.1 = x; allowed: a number above 0"),
        ("[1, true]", f"{FIELD}.1 = True; allowed: a number above 0"),
    ],
)
def test_wrong_lists(setting, line):
    assert errors(f"{FIELD}={setting}") == (line,)


@pytest.mark.parametrize(
    ("numbers", "subject", "allowed"),
    [
        ("[1, 2]", "1 = 2 after 1", "numbers in descending order, as class 0 is"),
        ("[1, -2]", "1 = -2", "a finite number above 0"),
        ("[.nan, 1]", "0 = nan", "a finite number above 0"),
        ("[1, 1e-10]", "1 = 1e-10 of the sum of all", "at least 2^-32"),
    ],
)
def test_wrong_numbers_in_a_list(numbers, subject, allowed):
    small = ("data.num_classes=2", "data.distinct_classes=false")
    lines = [line for line in errors(f"{FIELD}={numbers}", *small) if FIELD in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{FIELD}.{subject}; allowed: {allowed}")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("setting", ["[3, 2]", "a.npy", "null"])
def test_a_recorded_config_has_the_same_probabilities(tmp_path, setting):
    settings = [f"{FIELD}={setting}", "data.num_classes=2", "data.distinct_classes=false"]
    config = load_config(QUICKSTART, [*settings, "evaluation.conditions=[train]"])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config


def test_either_zipfs_law_or_own_probabilities():
    (line,) = errors(f"{FIELD}=a.npy", "data.zipf_exponent=1")
    assert line == f"{FIELD} = a.npy; allowed: null where data.zipf_exponent = 1.0"
