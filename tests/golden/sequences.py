"""Sequences as integers: digests of classes, exemplars, labels, synonyms and families.

Exact on every machine: only integers and comparisons are in them.
"""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from icl.config.families import NAMED
from icl.config.yaml import parse_config
from icl.data.batches import at_step, draw_indices, draw_numbered, in_block, keys_of
from icl.data.knobs import make_knobs
from icl.errors import UserError
from icl.evaluation.conditions import make_conditions
from icl.problems.streams import ABOVE_ALL_STEPS
from tests.golden.store import digest

NUM_SEQUENCES = 64
STEPS = (0, 2500)
FIELDS = ("classes", "exemplars", "labels", "synonyms", "family")

BASE: dict[str, Any] = {
    "source": {"kind": "glyphs", "size": 12, "num_classes": 60, "num_exemplars": 12},
    "num_classes": 40,
    "num_common_classes": 10,
    "num_holdout_classes": 10,
    "num_exemplars": 6,
    "num_holdout_exemplars": 6,
    "num_permuted_labels": 8,
    "context_len": 8,
}

SETTINGS: dict[str, dict[str, Any]] = {
    "base": {},
    "zipf": {"zipf_exponent": 1.0},
    "multiplicity": {"label_multiplicity": 3, "zipf_exponent": 2.0},
    "meanings": {"num_meanings": 20, "num_holdout_classes": 10},
    "drift": {"drift_rate": 0.001},
    "drift of meanings": {"drift_rate": 0.01, "num_meanings": 20, "label_multiplicity": 2},
    "noise": {"label_noise": 0.2, "cue_reliability": 0.7},
    "irrelevant": {"p_relevant": 0.6},
    "copies": {"p_copied_exemplar": 0.5, "p_matched_exemplar": 0.4},
    "finite": {"num_sequences": 40},
    "blocks": {"num_blocks": 4, "block_steps": 1000},
    "coinciding": {"distinct_classes": False},
    "coinciding and irrelevant": {"distinct_classes": False, "p_relevant": 0.6},
    "longer": {"context_len": 11, "shots": 4, "ways": 2},
    "separated": {"exemplars": "separated", "num_classes": 400, "num_exemplars": None}
    | {"num_holdout_exemplars": 0, "num_holdout_classes": 24},
    "transformed": {"flips_and_rotations": True, "num_classes": 300, "zipf_exponent": 0.7},
    "endless": {"source": {"kind": "gaussian", "dim": 4}, "zipf_exponent": 1.0},
    "chains": {
        "source": {"kind": "markov", "num_symbols": 4},
        "num_holdout_classes": 0,
        "num_exemplars": None,
        "num_holdout_exemplars": 0,
        "num_permuted_labels": None,
    },
    "few chains": {
        "source": {"kind": "markov", "num_symbols": 3, "num_chains": 5, "concentration": 0.3},
        "num_holdout_classes": 0,
        "num_exemplars": None,
        "num_holdout_exemplars": 0,
        "num_permuted_labels": None,
    },
}

OWN: dict[str, Any] = {
    "grouped": {"kind": "bursty", "pattern": [4, 2, 1, 1], "order": "grouped"},
    "blocked": {"kind": "few_shot", "shots": 2, "ways": 4, "order": "blocked"},
    "different": {"kind": "bursty", "distinct": False, "others": "rare", "classes": "common"},
    "different_labels": {"kind": "bursty", "pattern": [2, 2, 2, 1, 1], "distinct_labels": True},
    "common_zipfian": {"kind": "independent", "classes": "common_zipfian", "context_len": 5},
    "rare_zipfian": {"kind": "bursty", "classes": "rare_zipfian"},
}

MIXTURES: dict[str, dict[str, Any]] = {
    "bursty and independent": {"p_bursty": 0.7},
    "bursty and supported": {"p_bursty": 0.5, "non_bursty": "supported"},
    "bursty and no_support": {"p_bursty": 0.2, "non_bursty": "no_support"},
    "bursty and few_shot": {"p_bursty": 0.4, "non_bursty": "fewshot_train", "shots": 4},
    "three": {"mixture": {"bursty_rare": 1, "common_no_support": 2, "bursty_permuted": 0.5}}
    | {"num_blocks": 1},
    "own": {"mixture": {"grouped": 1, "different": 1, "independent": 1}, "num_blocks": 1},
}

ALL_ON = SETTINGS["irrelevant"] | SETTINGS["noise"] | SETTINGS["copies"] | SETTINGS["blocks"]
ALL_ON |= SETTINGS["drift of meanings"] | {"zipf_exponent": 1.0}

# What some conditions need.
NEEDED: dict[str, dict[str, Any]] = {
    "bursty_novel": {"num_meanings": 20},
    "fewshot_permuted": {"num_holdout_pairs": 4},
    "fewshot_holdout_pairs": {"num_holdout_pairs": 4},
}

CONDITIONS = [*NAMED, *OWN]
NAMES = [
    *(f"condition {name}" for name in CONDITIONS),
    *(f"mixture {name}" for name in MIXTURES),
    *(f"setting {name}" for name in SETTINGS),
]
# Compared on every run of the tests: a condition of each kind, pool, choice of labels and order; a
# setting and a mixture for each way in which a training distribution changes what is drawn.
QUICK_CONDITIONS = (
    *("bursty", "bursty_rare", "bursty_permuted", "bursty_novel", "independent", "supported"),
    *("markov", "markov_novel", "fewshot_holdout", "fewshot_holdout_exemplars"),
    *("fewshot_frequent_labels", "fewshot_rare_labels", "fewshot_unused_labels"),
    *("fewshot_holdout_pairs", "no_support", "no_support_distinct", "flip", "copy_available"),
    *("grouped", "blocked", "different", "different_labels", "common_zipfian"),
)
QUICK = (
    *(f"condition {name}" for name in QUICK_CONDITIONS),
    *(f"mixture {name}" for name in ("bursty and independent", "own")),
    *(f"setting {name}" for name in ("base", "copies", "finite", "blocks", "coinciding", "chains")),
    "setting drift of meanings",
)
SLOW = frozenset(NAMES) - frozenset(QUICK)


def compute(name: str, folder: Path) -> dict[str, Any]:
    """The digests of sequences by settings and step; null where these cannot be.

    A condition is drawn where knobs have several values, a mixture with all knobs on, and each
    setting is that of bursty sequences: compiling more takes minutes.
    """
    kind, _, rest = name.partition(" ")
    if kind == "condition":
        own = NEEDED.get(rest, {})
        chosen = {setting: SETTINGS[setting] | own for setting in _settings_of(rest)}
    elif kind == "mixture":
        chosen = {"all on": ALL_ON}
    else:
        chosen = {rest: SETTINGS[rest] | ({} if "chains" in rest else {"mixture": {"bursty": 1}})}
    return {
        # Chains are drawn by sums of floats, which machines may round in their own ways.
        setting + " machine_digest" * ("chains" in setting): _digests(kind, rest, settings)
        for setting, settings in chosen.items()
    }


def _settings_of(condition: str) -> tuple[str, ...]:
    """Settings that share a compiled program, or those that a condition needs."""
    if "markov" in condition:
        return ("chains", "few chains")
    return ("endless",) if "novel" in condition else ("base", "zipf", "multiplicity")


def _digests(kind: str, name: str, settings: dict[str, Any]) -> list[str] | None:
    data = copy.deepcopy(BASE | {"families": OWN} | settings)
    tree: dict[str, Any] = {"data": data, "evaluation": {"conditions": ["train"], "shots": 3}}
    if data["source"]["kind"] == "markov":
        data["families"] = {}
    if kind == "condition":
        tree["evaluation"]["conditions"] = [name]
    elif kind == "mixture":
        data |= MIXTURES[name]
    is_chain = data["source"]["kind"] == "markov"
    embedder = "one_hot" if is_chain else "linear"
    tree["model"] = {"kind": "transformer", "embedder": {"kind": embedder}}
    try:
        config = parse_config(tree)
    except UserError:
        return None
    family = make_conditions(config.data, config.evaluation)[
        name if kind == "condition" else "train"
    ]
    return _drawn(config.data, family, kind != "condition")


def _drawn(data: Any, family: Any, is_training: bool) -> list[str]:
    num_classes = data.source.num_classes * data.classes_per_source_class
    num_exemplars = data.num_exemplars or (12 if data.exemplars == "all" else 1)
    knobs = make_knobs(data, num_classes, num_exemplars)
    key = jax.random.key(3, impl="threefry2x32")
    if data.num_sequences:
        numbers = jnp.arange(data.num_sequences)
        return [_digest(drawn_of_finite(key, family, knobs, numbers))]
    changes = data.drift_rate > 0 or data.num_blocks > 1
    return [
        _digest(drawn(key, family, knobs, is_training, jnp.int32(step)))
        for step in (STEPS if changes else STEPS[:1])
    ]


@partial(jax.jit, static_argnums=(1, 3))
def drawn(key: jax.Array, family: Any, knobs: Any, is_training: bool, step: jax.Array) -> Any:
    """Fresh sequences, as those of a training step or of an evaluation."""
    knobs = at_step(knobs, step)
    return draw_indices(key, family, in_block(knobs) if is_training else knobs, NUM_SEQUENCES)


@partial(jax.jit, static_argnums=1)
def drawn_of_finite(key: jax.Array, family: Any, knobs: Any, numbers: jax.Array) -> Any:
    """Sequences of a finite data set by their numbers."""
    return draw_numbered(keys_of(jax.random.fold_in(key, ABOVE_ALL_STEPS), numbers), family, knobs)


def _digest(sequences: Any) -> str:
    return digest(*(np.asarray(getattr(sequences, name), np.int32) for name in FIELDS))
