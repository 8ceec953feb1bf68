"""The records of a run or a sweep as one labelled array."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray

from icl.config import AnyConfig
from icl.config.conditions import strategies_of
from icl.config.grid import Sweep, dump_sweep
from icl.config.sweeps import coordinate
from icl.config.yaml import dump_config, load_config
from icl.config.yaml_text import dump_yaml
from icl.errors import UserError
from icl.records.initial_weights import load_initial_weights
from icl.records.lines import read_lines
from icl.records.missing_parts import naming_missing_parts
from icl.records.run_directory import CONFIG, METRICS
from icl.records.sweep_directory import CELLS_FOLDER, status_of, sweep_of, tolerant_records

Records = list[dict[str, Any]]


def load_run(run: str | Path) -> xarray.Dataset:
    """The metrics of a run, finished or not.

    Variables, NaN where a condition does not have a metric:

    - `accuracy`, `accuracy_in_context`, `loss` and so on over (condition, step);
    - `train_loss` over (step): the mean over the steps since the last evaluation;
    - `accuracy_by_frequency` over (condition, step, stratum): tenths of the training classes, the
      commonest first;
    - what probes measure over (condition, step) and the axes that they name;
    - `start_norm`, `start_effective_rank` and so on over (matrix): the initial weights.

    Coordinate `strategy` over (condition): ICL, IWL, or empty for neither alone. Attribute
    `config`: the resolved config as YAML.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG})")
    with naming_missing_parts(path):
        config = load_config(path / CONFIG)
    dataset = dataset_of(config, read_lines(path / METRICS))
    matrices, starts = load_initial_weights([path])
    if not matrices:
        return dataset
    variables = {name: (("matrix",), values[0]) for name, values in starts.items()}
    return dataset.assign(variables).assign_coords(matrix=matrices)


def dataset_of(config: AnyConfig, records: Records) -> xarray.Dataset:
    """The evaluations of a run, as `load_run` gives them, without its initial weights."""
    conditions = list(config.evaluation.conditions)
    steps = [record["step"] for record in records]
    variables = {
        metric: (dims, values[0])
        for metric, (dims, values) in _arrays([records], steps, conditions).items()
    }
    return xarray.Dataset(
        variables,
        coords={
            "condition": conditions,
            "strategy": _strategies([config], conditions),
            "step": np.array(steps, dtype=np.int64),
        },
        attrs={"config": dump_config(config)},
    )


def load_sweep_array(directory: str | Path, name: str | None = None) -> xarray.Dataset:
    """The metrics of all cells of a grid, finished or not.

    The variables of `load_run`, over a dimension for each axis of the grid, named by its first
    knob (`cell` for single points), then `seed`, `condition` and `step`; `status` over axes and
    seed: finished, diverged, partial or missing. Missing values are NaN. Attributes: `name`,
    `sweep` and `base` (YAML), `claims` (JSON), and `missing`, the cells that are not finished.

    name: the grid's, where the directory holds several.
    """
    path = Path(directory)
    sweep = sweep_of(path, name)
    folders = [path / CELLS_FOLDER / cell.digest for cell in sweep.cells]
    records = [tolerant_records(folder) for folder in folders]
    statuses = [status_of(folder) for folder in folders]
    steps = sorted({record["step"] for of_cell in records for record in of_cell})
    conditions = list(
        dict.fromkeys(c for cell in sweep.cells for c in cell.config.evaluation.conditions)
    )
    dims, coords = _axes(sweep)
    shape = [len(coords[dim][1]) for dim in dims]
    variables: dict[str, Any] = {}
    for metric, (own, values) in _arrays(records, steps, conditions).items():
        variables[metric] = ((*dims, *own), values.reshape(*shape, *values.shape[1:]))
    matrices, starts = load_initial_weights(folders)
    for number, values in starts.items():
        variables[number] = ((*dims, "matrix"), values.reshape(*shape, -1))
    variables["status"] = (dims, np.array(statuses, dtype=object).reshape(shape).astype(str))
    return xarray.Dataset(
        variables,
        coords={
            **coords,
            "condition": conditions,
            "strategy": _strategies((cell.config for cell in sweep.cells), conditions),
            "step": np.array(steps, dtype=np.int64),
            **({"matrix": matrices} if matrices else {}),
        },
        attrs={
            "name": sweep.name,
            "sweep": dump_sweep(sweep),
            "base": dump_yaml(sweep.config.base),
            "claims": json.dumps([claim.model_dump(mode="json") for claim in sweep.config.claims]),
            "missing": [
                f"{cell.text}: {status}"
                for cell, status in zip(sweep.cells, statuses, strict=True)
                if status != "finished"
            ],
        },
    )


def plain_names(dataset: xarray.Dataset) -> xarray.Dataset:
    """The dataset with names of letters, digits and underscores alone, for other tools.

    Of a name with dots the last part stays: `data.p_bursty` becomes `p_bursty`. Where two names
    would then be the same, both keep all parts, joined by underscores: `data_source_kind`.
    """
    names = [str(name) for name in {**dict.fromkeys(dataset.dims), **dataset.variables}]
    short = {name: _plain(name.rpartition(".")[2]) for name in names}
    counts = Counter(short.values())
    plain = {n: own if counts[own] == 1 else _plain(n) for n, own in short.items()}
    return dataset.rename({name: own for name, own in plain.items() if name != own})


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


class _Array(NamedTuple):
    """A metric of several runs. dims: names of the axes after the run's."""

    dims: tuple[str, ...]
    values: np.ndarray


def _arrays(runs: list[Records], steps: list[int], conditions: list[str]) -> dict[str, _Array]:
    """Arrays [run, condition, step, ...] by metric, with the axes that records name.

    Values are placed by position, without a lookup by label: a thousand runs take seconds. Axes are
    as long as in the largest array of any run.
    """
    places = {step: i for i, step in enumerate(steps)}
    rows = {condition: i for i, condition in enumerate(conditions)}
    shape = (len(runs), len(conditions), len(steps))
    axes: dict[str, tuple[str, ...]] = {"accuracy_by_frequency": ("stratum",)}
    for record in (record for records in runs for record in records):
        axes |= {metric: tuple(names) for metric, names in record.get("axes", {}).items()}
    sizes = _sizes(runs, axes)
    arrays: dict[str, np.ndarray] = {}
    train_loss = np.full((len(runs), len(steps)), np.nan)
    for i, records in enumerate(runs):
        for record in records:
            at = places[record["step"]]
            loss = record["train"]["loss"]
            train_loss[i, at] = np.nan if loss is None else loss
            for condition, scores in record["conditions"].items():
                for metric, value in scores.items():
                    own = axes.get(metric, ())
                    if metric not in arrays:
                        arrays[metric] = np.full((*shape, *(sizes[name] for name in own)), np.nan)
                    if value is None or condition not in rows:
                        continue
                    target = arrays[metric][i, rows[condition], at]
                    if own:
                        part = np.array(value, dtype=np.float64)  # None is NaN
                        target[tuple(map(slice, part.shape))] = part
                    else:
                        arrays[metric][i, rows[condition], at] = value
    found = {
        metric: _Array(("condition", "step", *axes.get(metric, ())), values)
        for metric, values in arrays.items()
    }
    return found | {"train_loss": _Array(("step",), train_loss)}


def _sizes(runs: list[Records], axes: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """The length of each named axis: the largest of all arrays."""
    sizes: dict[str, int] = {}
    for scores in (
        scores for records in runs for record in records for scores in record["conditions"].values()
    ):
        for metric, names in axes.items():
            value = scores.get(metric)
            for name in names if value is not None else ():
                sizes[name] = max(sizes.get(name, 0), len(value))
                value = value[0] if value else []
    return sizes


def _strategies(configs: Iterable[AnyConfig], conditions: list[str]) -> tuple[str, list[str]]:
    """The coordinate `strategy`; empty if a name has another strategy in another run."""
    found: dict[str, set[str]] = {}
    for config in configs:
        for name, strategy in strategies_of(config).items():
            found.setdefault(name, set()).add(strategy)
    return "condition", [found[name].pop() if len(found[name]) == 1 else "" for name in conditions]


def _axes(sweep: Sweep) -> tuple[list[str], dict[str, Any]]:
    """The dimensions of a grid, the seed last, and their coordinates."""
    coords: dict[str, Any] = {}
    dims = []
    for axis in sweep.config.axes:
        dims.append(axis.name)
        columns = list(zip(*axis.points, strict=True))
        if axis.name == "cell":
            coords["cell"] = ("cell", np.arange(len(axis.points)))
        for knob, values in zip(axis.knobs, columns, strict=True):
            coords[knob] = (axis.name, np.array(coordinate(values)))
    if "seed" not in dims:
        dims.append("seed")
        coords["seed"] = ("seed", np.array([sweep.cells[0].config.seed]))
    return dims, coords
