"""Fair comparisons: a network made as large, or as expensive, as another by its width alone."""

from collections.abc import Callable
from functools import cache
from math import lcm
from typing import cast

import numpy as np
from jaxtyping import Shaped
from pydantic import ValidationError

from icl.config import AnyConfig, ExperimentConfig
from icl.errors import UserError
from icl.problems.cost import network_costs, num_parameters

MAX_WIDTH = 2**13
COSTS: dict[str, Callable[[ExperimentConfig, np.ndarray], int]] = {
    "parameters": num_parameters,
    "flops": lambda config, examples: network_costs(config, examples)[
        "training_flops_per_sequence"
    ],
}


def with_data(config: AnyConfig) -> ExperimentConfig:
    """The config, if it has `data`. Raises UserError for any other, whose costs are not counted."""
    if not config.has_context:
        branch = next(name for name, value in config if value is config.source)
        raise UserError(
            f"{branch}.kind = {config.source.kind}; allowed: a config with data, as costs are "
            "counted for a network of sequences"
        )
    return cast(ExperimentConfig, config)


def match(
    config: AnyConfig,
    of: str,
    budget: int,
    examples: Shaped[np.ndarray, "example *shape"],
) -> tuple[ExperimentConfig, int]:
    """The config with the width whose cost is nearest to a budget, and that cost.

    of: `parameters`, all that are trained, or `flops`, for training on one sequence, as
        `icl.problems.cost` counts them. Both grow with the width.
    examples: exemplars of training classes, see there.

    Raises UserError for a config without data, where the width cannot be chosen, and where the
    budget is out of reach.
    """
    config = with_data(config)

    @cache
    def cost(width: int) -> int:
        return COSTS[of](_with_width(config, width), examples)

    step = lcm(2, getattr(config.model, "num_heads", 1))
    low, high = _smallest(config, step), MAX_WIDTH // step * step
    if not cost(low) <= budget <= cost(high):
        raise UserError(
            f"--{of} = {budget}; allowed: {cost(low)} to {cost(high)}, the cost of model.width = "
            f"{low} to {high}"
        )
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    nearest = min((low, high), key=lambda width: abs(cost(width) - budget))
    return _with_width(config, nearest), cost(nearest)


def _smallest(config: ExperimentConfig, step: int) -> int:
    """The smallest width that the rest of the config allows; all larger ones are allowed too."""
    if config.model.embedder.kind == "identity":
        raise UserError(
            "model.embedder.kind = identity; allowed: other kinds, as it fixes the width"
        )
    for width in range(step, MAX_WIDTH + 1, step):
        try:
            _with_width(config, width)
        except ValidationError:
            continue
        return width
    raise UserError(f"model.width: no multiple of {step} up to {MAX_WIDTH} is allowed")


def _with_width(config: ExperimentConfig, width: int) -> ExperimentConfig:
    tree = config.model_dump()
    tree["model"]["width"] = width
    return ExperimentConfig.model_validate(tree)
