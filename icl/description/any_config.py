"""The description of any config: its report, and its pictures by name of file."""

from typing import Any

from icl.analysis.distribution import draw_distribution
from icl.analysis.pictures import draw_rows
from icl.config import AnyConfig, TaskExperimentConfig
from icl.description import describe
from icl.description.task import describe_task


def describe_any(config: AnyConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers as JSON has them, and PNGs. Raises UserError for what a user can mend."""
    if isinstance(config, TaskExperimentConfig):
        return describe_task(config)
    description = describe(config)
    return description.report, {
        "examples.png": draw_rows(description.rows),
        "distribution.png": draw_distribution(description.report, description.entropies),
    }
