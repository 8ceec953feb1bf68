"""The description of a config before training: the whole document, with long lists shortened."""

import json
from pathlib import Path
from typing import Any

from icl.config.yaml import load_config
from icl.description.any_config import describe_any
from icl.files import to_lines
from tests.golden.grids import FILES
from tests.golden.store import shortened

SMALL = (
    "data.source={kind: glyphs, size: 12, num_classes: 40, num_exemplars: 6}",
    "data.num_classes=30",
    "data.num_holdout_classes=6",
    "model.embedder.hidden_dim=8",
    "model.width=16",
    "model.num_heads=2",
)
DESCRIBED: dict[str, tuple[str, tuple[str, ...]]] = {
    "quickstart": ("quickstart", SMALL),
    "zipf": ("quickstart", (*SMALL, "data.zipf_exponent=1", "evaluation.conditions=[flip]")),
    "task": ("liu2023/base", ("model.width=20", "connectivity.recurrent.rank=3")),
}
NAMES = list(DESCRIBED)
SLOW = frozenset({"quickstart"})  # the other on sequences describes all that it does


def compute(name: str, folder: Path) -> dict[str, Any]:
    """The document that `describe --json` prints, and the names of the pictures beside it."""
    file, words = DESCRIBED[name]
    report = describe_any(load_config(FILES[file], list(words)))
    document = json.loads(to_lines(report.numbers))
    _with_former_settings(document["config"])
    return shortened(document) | {"pictures": sorted(report.pictures)}


def _with_former_settings(config: dict[str, Any]) -> None:
    """Give settings the names and places that they had when the values were recorded."""
    probes = config["evaluation"].pop("probes")
    if "data" in config:
        config["data"]["random_bits"] = "threefry"
        config["evaluation"]["measures"] = bool(probes)
