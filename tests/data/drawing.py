"""What the tests of sequences share: knobs, one jitted draw for all, and counts of items."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from icl.config import DataConfig, EvaluationConfig
from icl.config.families import NAMED
from icl.config.sources import GlyphsSource
from icl.data import knobs
from icl.data.batches import draw_indices
from icl.data.families import Family, make_family
from icl.data.families.bursty import Bursty
from icl.data.families.independent import Independent
from icl.types import IndexSequence, Knobs

from . import reference

NUM = 20_000
CAPACITY = 64  # classes of the source

BURSTY = Bursty((3, 3, 1, 1), is_training=True)
INDEPENDENT = Independent(8)

# In the order of the table of families.
TRAINED = (
    "bursty",
    "bursty_rare",
    "bursty_common",
    "bursty_permuted",
    "bursty_novel",
    "independent",
    "common_uniform",
    "common_no_support",
    "supported",
)
NAMED_FAMILIES: dict[str, Family] = {
    name: make_family(config, DataConfig(), None if name in TRAINED else EvaluationConfig())
    for name, config in NAMED.items()
    if config.kind != "markov"
}

# Integers come out the same however little the compiler does, and compiling takes most of the time.
QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
jit_draw = jax.jit(draw_indices, static_argnums=(1, 3), compiler_options=QUICKLY)


def make_data(num_source_classes: int = CAPACITY, **settings) -> DataConfig:
    """A distribution of a few classes, of which all that are not trained on are held out."""
    source = GlyphsSource(num_classes=num_source_classes, num_exemplars=1000, size=8)
    num_classes = settings.setdefault("num_classes", 50)
    settings.setdefault("num_holdout_classes", min(14, num_source_classes - num_classes))
    settings.setdefault("mixture", {"independent": 1.0})
    return DataConfig(source=source, **settings)


def make_knobs(num_exemplars: int = 20, num_source_classes: int = CAPACITY, **settings) -> Knobs:
    data = make_data(num_source_classes, **settings)
    return knobs.make_knobs(data, num_source_classes, num_exemplars)


def knobs_of(setting: reference.Setting) -> Knobs:
    """The same distribution as the plain one."""
    settings = setting._asdict()
    del settings["holdout_pairs"], settings["meanings"]
    return make_knobs(**settings)


def with_values(knobs: Knobs, **values: float) -> Knobs:
    """Other values of knobs that are on already, so that programs are shared."""
    return knobs._replace(
        **{name: jnp.asarray(v, getattr(knobs, name).dtype) for name, v in values.items()}
    )


def draw(family: Family, knobs: Knobs, seed: int = 0, num: int = NUM) -> IndexSequence:
    """Sequences as NumPy arrays; cases that differ in knobs alone share a program."""
    return jax.tree.map(np.asarray, jit_draw(jax.random.key(seed), family, knobs, num))


def plain_family(family: Family) -> reference.Plain:
    """The same family in plain NumPy."""
    plain = reference.bursty if isinstance(family, Bursty) else reference.independent
    return functools.partial(plain, **vars(family))


def same(values: np.ndarray) -> np.ndarray:
    """[..., i, j]: whether items i and j are equal."""
    return values[..., :, None] == values[..., None, :]


def context_counts(classes: np.ndarray) -> np.ndarray:
    """How often the class of each item occurs in the context; the query's comes last."""
    return same(classes)[:, :, :-1].sum(-1)


def first_item(where: np.ndarray) -> np.ndarray:
    """The place of the first True in each row."""
    assert where.any(1).all()
    return where.argmax(1)


def num_different(values: np.ndarray) -> np.ndarray:
    """Number of different values in each row."""
    return 1 + (np.diff(np.sort(values, axis=1)) > 0).sum(1)
