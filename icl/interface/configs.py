"""Settings as Python users give them: a name, a file, a dictionary or a config."""

import copy
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from icl.config import AnyConfig
from icl.config.find import find_config
from icl.config.grid import Sweep, load_sweeps
from icl.config.yaml import override, parse_config, read_settings, with_setting
from icl.config.yaml_text import dump_yaml
from icl.errors import UserError

Settings = str | Path | Mapping[str, Any] | AnyConfig
Overrides = Mapping[str, Any]


def config_of(config: Settings, overrides: Overrides | None, seed: int | None) -> AnyConfig:
    """The config with some settings replaced.

    config: the name of one in `configs/`, the path of a YAML file, a nested dictionary or a config.
    overrides: values by dotted name, such as `{"data.p_bursty": 0.5}`.
    seed: in place of the config's; None: the config's.

    Raises UserError with a line for every mistake.
    """
    settings: dict[str, Any] = {}
    for name, value in (overrides or {}).items():
        settings = with_setting(settings, name, _plain(value))
    if seed is not None:
        if "seed" in settings:
            raise UserError(f"seed = {seed}: also among the overrides; allowed: once")
        settings["seed"] = _plain(seed)
    tree = _tree_of(config)
    override(tree, settings)
    return parse_config(tree)


def sweeps_of(grid: str | Path | Mapping[str, Any], overrides: Overrides | None) -> list[Sweep]:
    """The grids of a name in `configs/`, a file, a folder, or a dictionary with `grid`.

    Raises UserError with a line for every mistake.
    """
    words = [f"{name}={json.dumps(_plain(value))}" for name, value in (overrides or {}).items()]
    if not isinstance(grid, Mapping):
        return load_sweeps(find_config(grid), words)
    tree = _plain(grid)
    if isinstance(tree.get("base"), str):
        tree["base"] = read_settings(find_config(tree["base"]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sweep.yaml"
        file.write_text(dump_yaml(tree), encoding="utf-8")
        return load_sweeps(file, words)


def name_of(settings: Settings) -> str:
    """A name for people: that of the file, or of the kind of settings."""
    return Path(settings).stem if isinstance(settings, str | Path) else "run"


def _tree_of(config: Settings) -> dict[str, Any]:
    if isinstance(config, AnyConfig):
        return config.model_dump(mode="json")
    if isinstance(config, Mapping):
        tree: dict[str, Any] = {}
        override(tree, {name: _plain(value) for name, value in config.items()})
        return tree
    return read_settings(find_config(config))


def _plain(value: Any) -> Any:
    """Plain Python values in place of tuples, arrays and numbers of NumPy, at any depth."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, AnyConfig):
        return value.model_dump(mode="json")
    return str(value) if isinstance(value, Path) else copy.deepcopy(value)
