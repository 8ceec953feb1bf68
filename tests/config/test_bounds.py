"""Bounds: every number among the settings has two, and programs can hold all between them."""

import importlib
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import icl.config
from icl.config.base import Settings

from ..messages import check_line, errors

for module in pkgutil.walk_packages(icl.config.__path__, "icl.config."):
    importlib.import_module(module.name)


def classes(parent: type[Settings] = Settings) -> Iterator[type[Settings]]:
    """All classes of settings of the package."""
    for child in parent.__subclasses__():
        if child.__module__.startswith("icl."):
            yield child
        yield from classes(child)


def numbers(node: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The numbers in the JSON schema of a setting, each with its name."""
    if isinstance(node, dict):
        if node.get("type") in ("integer", "number"):
            yield name, node
        for key in ("items", "anyOf", "oneOf", "prefixItems", "additionalProperties"):
            yield from numbers(node.get(key), name)
    elif isinstance(node, list):
        for child in node:
            yield from numbers(child, name)


NUMBERS = {
    f"{kind.__name__}.{name}": node
    for kind in classes()
    for field, schema in kind.model_json_schema().get("properties", {}).items()
    for name, node in numbers(schema, field)
}


def test_the_numbers_of_all_classes_are_found():
    assert {kind.__module__ for kind in classes()} >= {"icl.config.claims", "icl.config.tasks"}
    known = {"TrainingConfig.weight_decay_of", "ConvEmbedder.channels", "Near.value"}
    assert set(NUMBERS) >= known | {"CellTypesConnectivity.strengths", "OwnConnectivity.rank"}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_bounds_that_programs_can_hold(name: str):
    node = NUMBERS[name]
    low = node.get("minimum", node.get("exclusiveMinimum", -math.inf))
    high = node.get("maximum", node.get("exclusiveMaximum", math.inf))
    assert low < high
    if node["type"] == "integer":
        # Seeds are the only numbers without a sign.
        assert low >= -(2**31)
        assert high <= (2**31 - 1 if "maximum" in node else 2**31) or name.endswith("seed")
        assert high <= 2**32
    else:
        assert np.isfinite(np.float32([low, high])).all()
        if "minimum" in node and low > 0:
            assert np.float32(low) > 0
        if "maximum" in node and high < 1:
            assert np.float32(high) < 1


@pytest.mark.parametrize("value", [10**20, 2**63, 10**400], ids=["1e20", "2**63", "1e400"])
@pytest.mark.parametrize(
    ("field", "bound"),
    [
        ("model.width", "100000"),
        ("model.num_layers", "1000"),
        ("model.mlp_ratio", "1000"),
        ("training.batch_size", "10000000"),
        ("training.warmup_steps", "2147483647"),
        ("evaluation.num_sequences", "10000000"),
        ("checkpoints.keep_last", "2147483647"),
        ("training.weight_decay", "1000000"),
        ("data.num_classes", "10000000"),
    ],
)
def test_no_number_is_too_large_to_be_refused(field: str, bound: str, value: int):
    (line,) = errors(f"{field}={value}")
    check_line(line, f"{field} = {str(value)[:100]}{'...' * (value > 1e300)}", bound)


@pytest.mark.parametrize(
    ("override", "bound"),
    [
        ("training.learning_rate=1e+39", "1e+30"),  # infinite in 32 bits
        ("training.learning_rate=1e-46", "1e-30"),  # zero in 32 bits
        ("training.adam_b1=0.99999999", "0.9999999"),  # one in 32 bits
        ("model.label_init_std=1e-50", "1e-30"),
    ],
)
def test_what_would_be_another_number_in_a_program_is_refused(override: str, bound: str):
    (line,) = errors(override)
    check_line(line, override.replace("=", " = "), bound)
