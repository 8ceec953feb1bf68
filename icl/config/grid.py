"""Grids: reading a file of a grid, and expanding it into cells."""

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from icl.config.checks.claims import dropped_by_override, grid_claim_errors
from icl.config.claims import ClaimSettings, places_in_file
from icl.config.experiment import AnyConfig
from icl.config.retired import RETIRED_OF_GRIDS, drop_retired
from icl.config.sweeps import SweepConfig
from icl.config.traced import digest_of
from icl.config.yaml import (
    is_grid,
    is_within,
    nested,
    override,
    parse,
    parse_config,
    parse_override,
    read_run,
    read_settings,
    with_setting,
)
from icl.config.yaml_text import dump_yaml
from icl.errors import UserError, allowed

MAX_LINES = 10  # mistakes shown


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    digest: the name of the run and of its folder, see `icl.config.traced.digest_of`.
    settings: the values of the knobs on the axes, by dotted name.
    """

    digest: str
    settings: dict[str, Any]
    config: AnyConfig

    @property
    def text(self) -> str:
        """The cell's place in the grid, for people."""
        return " ".join(f"{knob}={value}" for knob, value in self.settings.items()) or "the base"


@dataclass(frozen=True)
class Sweep:
    """A resolved grid: its base is settings and no longer a file.

    dropped_claims: claims of the file about values that the command line removed from an axis.
    """

    name: str
    config: SweepConfig
    cells: tuple[Cell, ...]
    dropped_claims: tuple[ClaimSettings, ...] = ()


def cells_of(sweeps: Iterable[Sweep]) -> list[Cell]:
    """List the cells of several grids, each once."""
    return list({cell.digest: cell for sweep in sweeps for cell in sweep.cells}.values())


def load_sweeps(path: str | Path, overrides: list[str] | None = None) -> list[Sweep]:
    """Read the grid in a file, or the grids in a folder, and apply `key=value` overrides.

    `grid.KEY=[...]` sets an axis, `scale=NAME` selects the base, any other key is a setting of the
    base. In a folder, files without `grid`, `zip` or `cells` are skipped. Claims about values that
    an axis has in the file but not on the command line are dropped. Raises UserError with a line
    for each mistake.
    """
    path = Path(path)
    if not path.is_dir():
        return [load_sweep(path, overrides)]
    files = [file for file in sorted(path.glob("*.yaml")) if is_grid(read_settings(file))]
    if not files:
        raise UserError(f"{path}: no grids found; allowed: a folder with YAML files that have grid")
    return [load_sweep(file, overrides) for file in files]


def load_sweep(
    path: str | Path, overrides: list[str] | None = None, is_recorded: bool = False
) -> Sweep:
    """Read the grid in one file, see `load_sweeps`.

    is_recorded: a sweep recorded the file, and retired settings of it are ignored.
    """
    path = Path(path)
    tree = read_settings(path)
    mistakes = drop_retired(tree, RETIRED_OF_GRIDS)
    if not is_grid(tree):
        raise UserError(
            f"{path}: not a grid; allowed: a file with grid, zip or cells; to train a single run, "
            "use scripts/train.py"
        )
    axes: tuple[str, ...] = ("grid", "zip", "cells")
    in_file = {key: copy.deepcopy(tree[key]) for key in axes if key in tree}
    _override_sweep(tree, overrides or [])
    _choose_scale(tree)
    if isinstance(tree.get("base"), str):
        tree["base"] = read_run(path.parent / tree["base"])
    elif isinstance(tree.get("base"), dict):
        tree["base"] = nested(tree["base"])
    claims = copy.deepcopy(tree.get("claims"))
    try:
        config = parse(tree, SweepConfig, [] if is_recorded else mistakes)
        return _resolved(path.stem, config, in_file, overrides or [])
    except UserError as error:
        raise UserError(*_numbered_as_in_file(error.args, claims)) from None


def _resolved(
    name: str, config: SweepConfig, in_file: dict[str, Any], overrides: list[str]
) -> Sweep:
    """Resolve a grid. in_file: its axes before the command line changed them."""
    dropped: tuple[ClaimSettings, ...] = ()
    if config.claims and any(word.startswith("grid.") for word in overrides):
        dropped = dropped_by_override(config, parse(in_file, SweepConfig))
        kept = tuple(claim for claim in config.claims if claim not in dropped)
        config = config.model_copy(update={"claims": kept})
    return replace(make_sweep(name, config), dropped_claims=dropped)


def _numbered_as_in_file(lines: Iterable[str], claims: Any) -> list[str]:
    """Renumber claims in lines by their numbers in the file, where `each` makes one into many."""
    if all(not line.startswith("claims.") for line in lines):
        return list(lines)
    try:
        places = places_in_file(claims)
    except ValueError:  # mistakes in `each` have the numbers of the file
        return list(lines)

    def renumbered(found: re.Match[str]) -> str:
        return f"claims.{places[int(found[1])]}"

    return list(dict.fromkeys(re.sub(r"^claims\.(\d+)", renumbered, line) for line in lines))


def make_sweep(name: str, config: SweepConfig) -> Sweep:
    """Expand a grid into its cells. Raises UserError with a line for each mistake."""
    assert isinstance(config.base, dict)
    lines: dict[str, None] = {}
    cells: dict[str, Cell] = {}
    for point in config.points:
        tree = copy.deepcopy(config.base)
        try:
            override(tree, _filled(config.settings, point))
            override(tree, _filled(point, point))
            resolved = parse_config(tree)
        except UserError as error:
            lines |= dict.fromkeys(error.args)
            continue
        cell = Cell(digest_of(resolved), point, resolved)
        if cell.digest in cells:
            lines[_same_cell(cells[cell.digest], cell)] = None
        cells[cell.digest] = cell
    lines |= dict.fromkeys(grid_claim_errors(config, [cell.config for cell in cells.values()]))
    if lines:
        more = [f"... and {len(lines) - MAX_LINES} more mistakes"] if len(lines) > MAX_LINES else []
        raise UserError(*list(lines)[:MAX_LINES], *more)
    return Sweep(name, config, tuple(cells.values()))


def dump_sweep(sweep: Sweep) -> str:
    """Write the resolved grid as YAML; `load_sweep` gives it back."""
    tree = sweep.config.model_dump(mode="json", exclude_unset=True)
    return dump_yaml({"base": {}} | tree)


def _same_cell(one: Cell, other: Cell) -> str:
    """The mistake of two points that are one cell; without the seed, if both have the same."""
    texts = [one.text, other.text]
    plain = [{k: v for k, v in cell.settings.items() if k != "seed"} for cell in (one, other)]
    if all(plain) and one.settings.get("seed") == other.settings.get("seed"):
        texts = [" ".join(f"{k}={v}" for k, v in settings.items()) for settings in plain]
    return f"{' and '.join(texts)}: the same cell; allowed: once"


def _filled(value: Any, point: dict[str, Any]) -> Any:
    """Replace swept knobs in braces, such as {seed}, in the texts of settings by their values."""
    if isinstance(value, dict):
        return {key: _filled(child, point) for key, child in value.items()}
    if isinstance(value, str):
        return re.sub(r"{([^{}]+)}", lambda found: str(point.get(found[1], found[0])), value)
    return value


def _choose_scale(tree: dict[str, Any]) -> None:
    """Set the base of a grid that has one for each of several scales. Raises UserError.

    A scale is a file, or a file and settings of its own: `{base: FILE, settings: {...}}`.
    """
    scales, scale = tree.pop("scales", None), tree.pop("scale", None)
    if scales is None and scale is None:
        return
    if not isinstance(scales, dict) or not scales or not all(map(_is_scale, scales.values())):
        raise UserError(
            f"scales = {scales}; allowed: files, or base and settings, by the name of a scale"
        )
    if "base" in tree:
        raise UserError("base and scales: both are given; allowed: one of them")
    if scale not in scales:
        raise UserError(f"scale = {scale}; {allowed(scale, scales)}")
    chosen = scales[scale]
    if isinstance(chosen, dict):
        tree["settings"] = (chosen.get("settings") or {}) | (tree.get("settings") or {})
        chosen = chosen["base"]
    tree["base"] = chosen


def _is_scale(value: Any) -> bool:
    if isinstance(value, dict):
        is_table = isinstance(value.get("settings") or {}, dict)
        return (
            set(value) <= {"base", "settings"} and isinstance(value.get("base"), str) and is_table
        )
    return isinstance(value, str)


def _override_sweep(tree: dict[str, Any], overrides: list[str]) -> None:
    """Apply axes and settings of the command line. Raises UserError."""
    for key, value in map(parse_override, overrides):
        if key == "scale":
            tree["scale"] = value
            continue
        knob, is_axis = key.removeprefix("grid."), key.startswith("grid.")
        groups = [*(tree.get("zip") or []), *(tree.get("cells") or [])]
        groups += [] if is_axis else [tree.get("grid")]
        for name in (name for group in groups if isinstance(group, dict) for name in group):
            # An axis may lie within the branch of another, which is set first.
            if knob == name or (is_within(knob, name) and not is_axis):
                raise UserError(f"{key}: is swept; allowed: grid.{name}=[...], where it is in grid")
        part = "grid" if is_axis else "settings"
        if not isinstance(tree.get(part, {}), dict):
            raise UserError(f"{part} = {tree[part]}; allowed: a table")
        own = tree.get(part) or {}
        tree[part] = own | {knob: value} if is_axis else with_setting(own, knob, value)
