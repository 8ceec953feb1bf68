"""Which settings a compiled program takes as arguments: runs that differ in no other share it."""

import hashlib
import json
from fnmatch import fnmatchcase
from typing import Any

from icl.config import AnyConfig
from icl.config.probes import RICH_OR_LAZY

# By pattern of the setting's dotted name, the value at which what it sets is left out of the
# program; ALWAYS: it never is. A test holds that the programs are the same.
ALWAYS = object()
TRACED: dict[str, Any] = {
    "seed": ALWAYS,
    "data.p_bursty": ALWAYS,
    "data.mixture.*": ALWAYS,
    "data.zipf_exponent": ALWAYS,
    "data.num_common_classes": ALWAYS,
    "data.p_relevant": 1.0,
    "data.block_steps": ALWAYS,
    "data.num_blocks": 1,
    "data.drift_rate": 0.0,
    "data.label_noise": 0.0,
    "data.cue_reliability": 1.0,
    "data.noise_scale": 0.0,
    "data.p_matched_exemplar": 0.0,
    "data.p_copied_exemplar": 0.0,
    "data.num_sequences": None,
    "training.learning_rate": ALWAYS,
    "training.warmup_steps": ALWAYS,
    "training.decay": ALWAYS,
    "training.weight_decay": ALWAYS,
    "training.weight_decay_of.*": ALWAYS,
    "training.clip_norm": ALWAYS,
    "training.adam_b1": ALWAYS,
    "training.adam_b2": ALWAYS,
    "training.momentum": ALWAYS,
    "training.interim_weight": 0.0,
    "task.sigma": 0.0,
    "task.cue_sigma": 0.0,
    "task.coherences": ALWAYS,
    "connectivity.*.gain": ALWAYS,
    "connectivity.*.rank": None,
    "connectivity.*.sigma": ALWAYS,
    "connectivity.*.density": ALWAYS,
    "connectivity.*.num_groups": ALWAYS,
    "connectivity.*.contrast": ALWAYS,
    "connectivity.*.fraction": ALWAYS,
    "connectivity.*.balanced": ALWAYS,
    "connectivity.*.fractions": ALWAYS,
    "connectivity.*.probabilities": ALWAYS,
    "connectivity.*.strengths": ALWAYS,
    "connectivity.*.reciprocal": ALWAYS,
    "connectivity.*.convergent": ALWAYS,
    "connectivity.*.divergent": ALWAYS,
    "connectivity.*.chain": ALWAYS,
    "connectivity.*.centred": ALWAYS,
    "connectivity.*.path": ALWAYS,
    "connectivity.*.transposed": ALWAYS,
    "connectivity.*.alignment": ALWAYS,
}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def digest_of(config: AnyConfig) -> str:
    """What a run is, in 16 hexadecimal digits: the same settings, the same digits.

    Settings at their default do not count, but for kinds, so that a run is still the same when
    new settings come to be.
    """
    every = flatten(config.model_dump(mode="json"))
    kinds = {name: value for name, value in every.items() if name.endswith("kind")}
    chosen = flatten(config.model_dump(mode="json", exclude_defaults=True)) | kinds
    if chosen.get("evaluation.probes") == list(RICH_OR_LAZY):
        # A run has the digest that it had when `evaluation.measures` stood for these.
        del chosen["evaluation.probes"]
        chosen["evaluation.measures"] = True
    return _digest(chosen)


def program_of(config: AnyConfig) -> str:
    """Equal for runs that one compiled program serves, in 16 hexadecimal digits."""
    return _digest(
        {name: _fact(name, value) for name, value in flatten(config.model_dump()).items()}
    )


def _fact(name: str, value: Any) -> Any:
    """What the program knows of a setting."""
    for pattern, off in TRACED.items():
        if fnmatchcase(name, pattern):
            count = f" {len(value)}" if isinstance(value, tuple) else ""  # which is a shape
            return f"traced{count}" if off is ALWAYS or value != off else "off"
    return value


def _digest(tree: dict[str, Any]) -> str:
    text = json.dumps(tree, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
