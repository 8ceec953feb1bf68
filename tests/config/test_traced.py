"""Names of runs and programs: which settings count, and that no release changes a name."""

import hashlib
from typing import Annotated, Literal

import pytest
from pydantic import Field

from icl.config.base import ALWAYS, Settings, Traced
from icl.config.grid import load_sweep
from icl.config.traced import TRACED, digest_of, traced_settings
from icl.config.yaml import load_config

from ..conftest import QUICKSTART

CONFIGS = QUICKSTART.parent

# The value at which a setting is off.
OFF = {
    "data.p_relevant": 1.0,
    "data.num_blocks": 1,
    "data.drift_rate": 0.0,
    "data.label_noise": 0.0,
    "data.cue_reliability": 1.0,
    "data.noise_scale": 0.0,
    "data.p_matched_exemplar": 0.0,
    "data.p_copied_exemplar": 0.0,
    "data.num_sequences": None,
    "training.interim_weight": 0.0,
    "task.sigma": 0.0,
    "task.cue_sigma": 0.0,
    "connectivity.*.rank": None,
}
NEVER_OFF = """
    seed task.coherences
    data.p_bursty data.mixture.* data.zipf_exponent data.class_probabilities
    data.num_common_classes data.block_steps
    training.learning_rate training.warmup_steps training.decay training.weight_decay
    training.weight_decay_of.* training.clip_norm training.adam_b1 training.adam_b2
    training.momentum
    connectivity.*.gain connectivity.*.sigma connectivity.*.density connectivity.*.num_groups
    connectivity.*.contrast connectivity.*.fraction connectivity.*.balanced
    connectivity.*.fractions connectivity.*.probabilities connectivity.*.strengths
    connectivity.*.reciprocal connectivity.*.convergent connectivity.*.divergent
    connectivity.*.chain connectivity.*.centred connectivity.*.path connectivity.*.transposed
    connectivity.*.alignment
"""


def test_the_marks_on_the_settings_are_the_known_ones():
    known = OFF | dict.fromkeys(NEVER_OFF.split(), ALWAYS)
    assert {pattern: mark.off for pattern, mark in TRACED.items()} == known


class One(Settings):
    kind: Literal["one"] = "one"
    rate: Annotated[float, Field(ge=0), Traced(off=1.0)] = 0.0


class Two(Settings):
    kind: Literal["two"] = "two"
    rate: Annotated[float, Traced(off=1.0)] = Field(0.0, ge=0)
    sizes: Annotated[tuple[int, ...], Traced()] = ()


Kind = Annotated[One | Two, Field(discriminator="kind")]


def test_marks_are_found_in_unions_tables_and_tuples():
    class Root(Settings):
        seed: Annotated[int, Traced()] = 0
        first: Kind | None = None
        named: dict[str, Kind] = Field({})
        weights: dict[str, Annotated[float, Traced(off=0.0)]] = Field({})
        width: int = 1

    assert traced_settings(Root) == {
        "seed": Traced(),
        "first.rate": Traced(off=1.0),
        "first.sizes": Traced(),
        "named.*.rate": Traced(off=1.0),
        "named.*.sizes": Traced(),
        "weights.*": Traced(off=0.0),
    }


@pytest.mark.parametrize("other", [float, Annotated[float, Traced()]], ids=["unmarked", "always"])
def test_kinds_that_disagree_about_a_setting_are_refused(other):
    class Three(Settings):
        kind: Literal["three"] = "three"
        rate: other = 0.0

    class Root(Settings):
        initializer: One | Three = One()

    with pytest.raises(TypeError, match=r"initializer\.rate"):
        traced_settings(Root)


@pytest.mark.parametrize(
    ("path", "digest"),
    [
        ("quickstart.yaml", "dde6526db0fdfa1a"),
        ("chan2022/base.yaml", "44c5fc9f27cfe692"),
        ("liu2023/base.yaml", "82ab6bc7fe6e5d28"),
        ("reddy2023/base.yaml", "9d64b2d67c657f45"),
    ],
)
def test_runs_keep_their_names(path: str, digest: str):
    assert digest_of(load_config(CONFIGS / path)) == digest


@pytest.mark.parametrize(
    ("path", "digest"),
    [
        ("chan2022/burstiness.yaml", "934f25518db6dcbf"),
        ("chan2022/architectures.yaml", "d8a81328e5803f3c"),
        ("liu2023/structures.yaml", "3e3700ed45b783d0"),
        ("rank_and_icl/attention.yaml", "e8b5d1062c833e0a"),
    ],
)
def test_cells_keep_their_names(path: str, digest: str):
    names = " ".join(cell.digest for cell in load_sweep(CONFIGS / path).cells)
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == digest
