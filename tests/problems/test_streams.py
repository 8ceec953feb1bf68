"""Keys from a seed: each as its tree says, and none by JAX's default generator."""

import zlib
from collections.abc import Callable

import jax
import pytest
from jax.random import fold_in, key_data, split

from icl.problems.streams import (
    described_items_key,
    described_key,
    described_row_key,
    make_streams,
    shown_sequences_key,
    shown_trials_key,
)

ROOT = jax.random.key(3, impl="threefry2x32")
NO_SUPPORT, PICTURES = (fold_in(ROOT, zlib.crc32(name)) for name in (b"no_support", b"pictures"))
KEYS: dict[str, tuple[Callable[[], jax.Array], jax.Array]] = {
    "train": (lambda: make_streams(3).train, split(ROOT, 3)[1]),
    "shown mixture": (lambda: shown_sequences_key(3), split(ROOT)[0]),
    "shown family": (lambda: shown_sequences_key(3, 2), fold_in(split(ROOT)[1], 2)),
    "shown trials": (lambda: shown_trials_key(3), ROOT),
    "described": (lambda: described_key(3, "no_support"), NO_SUPPORT),
    "described chunk": (lambda: described_key(3, "no_support", 0), fold_in(NO_SUPPORT, 0)),
    "described items": (
        lambda: described_items_key(3, "no_support", 40),
        fold_in(fold_in(NO_SUPPORT, 2**31), 40),
    ),
    "described row": (lambda: described_row_key(3, 1), fold_in(PICTURES, 1)),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_the_tree_under_any_default_generator(name: str):
    make, expected = KEYS[name]
    with jax.default_prng_impl("rbg"):
        made = make()
    assert made.dtype == expected.dtype
    assert key_data(made).tolist() == key_data(expected).tolist()
