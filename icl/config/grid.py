"""A file of a grid, and the cells that it stands for."""

import copy
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from icl.config import AnyConfig, TaskExperimentConfig
from icl.config.claims import (
    Claim,
    Falls,
    Rises,
    claim_errors,
    is_same,
    places_in_file,
    too_few_left,
)
from icl.config.probes import probe_of
from icl.config.sweeps import Axis, SweepConfig
from icl.config.traced import digest_of
from icl.config.yaml import (
    is_within,
    override,
    parse,
    parse_config,
    parse_override,
    read_settings,
    with_setting,
)
from icl.errors import UserError

MAX_LINES = 10  # of mistakes shown


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    digest: what it is, see `icl.config.traced.digest_of`; the name of its folder.
    settings: of the axes, by dotted name.
    """

    digest: str
    settings: dict[str, Any]
    config: AnyConfig

    @property
    def text(self) -> str:
        """Its place in the grid, for people."""
        return " ".join(f"{knob}={value}" for knob, value in self.settings.items()) or "the base"


@dataclass(frozen=True)
class Sweep:
    """A grid, resolved: its base is settings and no longer a file.

    left_out: claims of the file about values that the command line took off an axis.
    """

    name: str
    config: SweepConfig
    cells: tuple[Cell, ...]
    left_out: tuple[Claim, ...] = ()


def cells_of(sweeps: Iterable[Sweep]) -> list[Cell]:
    """The cells of several grids, each once."""
    return list({cell.digest: cell for sweep in sweeps for cell in sweep.cells}.values())


def load_sweeps(path: str | Path, overrides: list[str] | None = None) -> list[Sweep]:
    """The grid in a file, or those of all files of a folder, with `key=value` overrides.

    `grid.KEY=[...]` sets an axis, `scale=NAME` the base, any other key a setting of it. In a
    folder, files without `grid`, `zip` or `cells` are left out. Claims about values that an axis
    has in the file, and not on the command line, are left out. Raises UserError with a line for a
    mistake.
    """
    path = Path(path)
    if not path.is_dir():
        return [load_sweep(path, overrides)]
    files = [file for file in sorted(path.glob("*.yaml")) if _is_grid(read_settings(file))]
    if not files:
        raise UserError(f"{path}: no grids found; allowed: a folder with YAML files that have grid")
    return [load_sweep(file, overrides) for file in files]


def load_sweep(path: str | Path, overrides: list[str] | None = None) -> Sweep:
    """The grid in one file, see `load_sweeps`."""
    path = Path(path)
    tree = read_settings(path)
    if not _is_grid(tree):
        raise UserError(f"{path}: not a grid; allowed: a file with grid, zip or cells")
    axes: tuple[str, ...] = ("grid", "zip", "cells")
    written = {key: copy.deepcopy(tree[key]) for key in axes if key in tree}
    _override_sweep(tree, overrides or [])
    _choose_scale(tree)
    if isinstance(tree.get("base"), str):
        tree["base"] = read_settings(path.parent / tree["base"])
    claims = copy.deepcopy(tree.get("claims"))
    try:
        return _resolved(path.stem, tree, written, overrides or [])
    except UserError as error:
        raise UserError(*_numbered_as_in_file(error.args, claims)) from None


def _resolved(
    name: str, tree: dict[str, Any], written: dict[str, Any], overrides: list[str]
) -> Sweep:
    """The grid of a tree; written: its axes without those of the command line."""
    config = parse(tree, SweepConfig)
    left_out: tuple[Claim, ...] = ()
    if config.claims and any(word.startswith("grid.") for word in overrides):
        left_out = _claims_taken_away(config, parse(written, SweepConfig))
        kept = tuple(claim for claim in config.claims if claim not in left_out)
        config = config.model_copy(update={"claims": kept})
    return replace(make_sweep(name, config), left_out=left_out)


def _numbered_as_in_file(lines: Iterable[str], claims: Any) -> list[str]:
    """Lines that number claims with `each` as many, as if these were one; each line once."""
    if all(not line.startswith("claims.") for line in lines):
        return list(lines)
    try:
        places = places_in_file(claims)
    except ValueError:  # of `each` itself: numbered so already
        return list(lines)

    def in_file(found: re.Match[str]) -> str:
        return f"claims.{places[int(found[1])]}"

    return list(dict.fromkeys(re.sub(r"^claims\.(\d+)", in_file, line) for line in lines))


def make_sweep(name: str, config: SweepConfig) -> Sweep:
    """All cells of a grid. Raises UserError with a line for each mistake."""
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
            lines[_told_twice(cells[cell.digest], cell)] = None
        cells[cell.digest] = cell
    lines |= dict.fromkeys(_claim_errors(config, list(cells.values())))
    if lines:
        more = [f"... and {len(lines) - MAX_LINES} more mistakes"] if len(lines) > MAX_LINES else []
        raise UserError(*list(lines)[:MAX_LINES], *more)
    return Sweep(name, config, tuple(cells.values()))


def dump_sweep(sweep: Sweep) -> str:
    """The resolved grid as YAML; `load_sweep` gives it back."""
    tree = sweep.config.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump({"base": {}} | tree, sort_keys=False)


def _told_twice(one: Cell, other: Cell) -> str:
    """The mistake; where the seed is the same, without it: a line for all seeds."""
    texts = [one.text, other.text]
    plain = [{k: v for k, v in cell.settings.items() if k != "seed"} for cell in (one, other)]
    if all(plain) and one.settings.get("seed") == other.settings.get("seed"):
        texts = [" ".join(f"{k}={v}" for k, v in settings.items()) for settings in plain]
    return f"{' and '.join(texts)}: the same cell; allowed: once"


def _filled(value: Any, point: dict[str, Any]) -> Any:
    """Settings whose texts name swept knobs in braces, such as {seed}, with their values there."""
    if isinstance(value, dict):
        return {key: _filled(child, point) for key, child in value.items()}
    if isinstance(value, str):
        return re.sub(r"{([^{}]+)}", lambda found: str(point.get(found[1], found[0])), value)
    return value


def _is_grid(tree: dict[str, Any]) -> bool:
    return any(key in tree for key in ("grid", "zip", "cells"))


def _choose_scale(tree: dict[str, Any]) -> None:
    """The base, where a grid has one for each of several scales. Raises UserError.

    A scale is a file, or a file and settings that are its own: `{base: FILE, settings: {...}}`.
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
        raise UserError(f"scale = {scale}; allowed: {', '.join(scales)}")
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
    """Axes and settings from the command line. Raises UserError."""
    for key, value in map(parse_override, overrides):
        if key == "scale":
            tree["scale"] = value
            continue
        knob, is_axis = key.removeprefix("grid."), key.startswith("grid.")
        groups = [*(tree.get("zip") or []), *(tree.get("cells") or [])]
        groups += [] if is_axis else [tree.get("grid")]
        for name in (name for group in groups if isinstance(group, dict) for name in group):
            # An axis may lie within the branch of another: it is set after it.
            if knob == name or (is_within(knob, name) and not is_axis):
                raise UserError(f"{key}: is swept; allowed: grid.{name}=[...], where it is in grid")
        part = "grid" if is_axis else "settings"
        if not isinstance(tree.get(part, {}), dict):
            raise UserError(f"{part} = {tree[part]}; allowed: a table")
        own = tree.get(part) or {}
        tree[part] = own | {knob: value} if is_axis else with_setting(own, knob, value)


def coordinate(values: Iterable[Any]) -> list[Any]:
    """The values of a knob as arrays and claims know them: numbers, or else texts."""
    values = list(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _knobs(axis: Axis) -> dict[str, list[Any]]:
    """What claims can name of an axis: knobs, with their values at each point."""
    columns = zip(axis.knobs, zip(*axis.points, strict=True), strict=True)
    knobs = {knob: coordinate(values) for knob, values in columns if knob != "seed"}
    return ({"cell": list(range(len(axis.points)))} if axis.name == "cell" else {}) | knobs


def _all_knobs(config: SweepConfig) -> dict[str, list[Any]]:
    return {knob: values for axis in config.axes for knob, values in _knobs(axis).items()}


def _left_errors(config: SweepConfig) -> list[str]:
    """Of claims about cells that are not there, as where knobs vary together."""
    errors = []
    for i, claim in enumerate(config.claims):
        for knobs in map(_knobs, config.axes):
            where = {knob: value for knob, value in claim.where.items() if knob in knobs}
            places = [
                place
                for place in range(max(map(len, knobs.values()), default=0))
                if all(is_same(knobs[knob][place], value) for knob, value in where.items())
            ]
            if where and not places:
                told = " and ".join(f"{knob} = {value}" for knob, value in where.items())
                errors.append(f"claims.{i}.where: no cell with {told}; allowed: a cell of the grid")
            elif isinstance(claim, Rises | Falls) and claim.along in knobs:
                found = too_few_left(claim, [knobs[claim.along][place] for place in places])
                errors += [f"claims.{i}.{found}"] if found else []
    return errors


def _claims_taken_away(config: SweepConfig, written: SweepConfig) -> tuple[Claim, ...]:
    """Claims that the axes of the file allow, and those of the command line do not."""

    def fits(claim: Claim, axes: SweepConfig) -> bool:
        return not claim_errors([claim], _all_knobs(axes), list(claim.conditions.values()))

    return tuple(c for c in config.claims if fits(c, written) and not fits(c, config))


def _claim_errors(config: SweepConfig, cells: list[Cell]) -> list[str]:
    """Of claims about a knob that is not swept, or a condition that is not tested."""
    if not cells:  # mistakes in all of them are told first
        return []
    conditions = sorted({name for cell in cells for name in cell.config.evaluation.conditions})
    errors = claim_errors(config.claims, _all_knobs(config), conditions)
    errors = errors or _left_errors(config)
    on = set.intersection(*(set(cell.config.evaluation.probes) for cell in cells))
    errors += [
        f"claims.{i}.metric = {claim.metric}; allowed where evaluation.probes has {probe}"
        for i, claim in enumerate(config.claims)
        if (probe := probe_of(claim.metric)) and probe not in on
    ]
    return errors + _halving_errors(config, cells) + _task_errors(config, cells)


def _halving_errors(config: SweepConfig, cells: list[Cell]) -> list[str]:
    """Where cells cannot be compared, as one of them is not tested in the condition."""
    if config.halving is None:
        return []
    condition, tested = config.halving.condition, [c.config.evaluation.conditions for c in cells]
    if all(condition in names for names in tested):
        return []
    of_all = [name for name in tested[0] if all(name in names for names in tested)]
    return [f"halving.condition = {condition}; allowed: {', '.join(of_all)}"]


def _task_errors(config: SweepConfig, cells: list[Cell]) -> list[str]:
    """Where a metric needs a context, which tasks do not have."""
    if not any(isinstance(cell.config, TaskExperimentConfig) for cell in cells):
        return []
    metrics = {
        f"claims.{i}.{field}": getattr(claim, field, "")
        for i, claim in enumerate(config.claims)
        for field in ("metric", "other_metric")
    }
    metrics |= {"halving.metric": config.halving.metric} if config.halving else {}
    return [
        f"{field} = {metric}; allowed: others, as accuracy or loss, as tasks have no context"
        for field, metric in metrics.items()
        if metric == "accuracy_in_context"
    ]
