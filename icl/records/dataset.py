"""Records as one labelled array."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray
import yaml

from icl.config import AnyConfig
from icl.config.conditions import strategies_of
from icl.config.grid import Sweep, coordinate, dump_sweep
from icl.config.yaml import dump_config, load_config
from icl.errors import UserError
from icl.records.halving import stopped
from icl.records.initial_weights import load_initial_weights
from icl.records.run_directory import CONFIG, METRICS, read_lines
from icl.records.sweep_directory import CELLS, SweepDirectory, status_of, sweep_of, tolerant_records

Records = list[dict[str, Any]]


def load_run(run: str | Path) -> xarray.Dataset:
    """The metrics of a run, finished or not.

    Variables: `accuracy`, `accuracy_in_context`, `loss` and so on over (condition, step), and
    `train_loss`, the mean over the steps since the evaluation before, over (step);
    `accuracy_by_frequency` over (condition, step, stratum), tenths of the training classes, the
    commonest first; `start_norm`, `start_effective_rank` and so on over (matrix), what weights
    begin as. Coordinate `strategy` over (condition): ICL, IWL, or empty for neither alone.
    Attribute `config`: the resolved config as YAML. Metrics that a condition does not have are NaN.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG})")
    config = load_config(path / CONFIG)
    records = read_lines(path / METRICS)
    conditions = list(config.evaluation.conditions)
    steps = [record["step"] for record in records]
    variables = {
        metric: (_dims(values)[1:], values[0])
        for metric, values in _arrays([records], steps, conditions).items()
    }
    matrices, starts = load_initial_weights([path])
    variables |= {name: (("matrix",), values[0]) for name, values in starts.items()}
    return xarray.Dataset(
        variables,
        coords={
            "condition": conditions,
            "strategy": _strategies([config], conditions),
            "step": np.array(steps, dtype=np.int64),
            **({"matrix": matrices} if matrices else {}),
        },
        attrs={"config": dump_config(config)},
    )


def load_sweep_array(directory: str | Path, name: str | None = None) -> xarray.Dataset:
    """The metrics of all cells of a grid, finished or not.

    The variables of `load_run`, over a dimension for each axis of the grid, named by its first
    knob (`cell` for single points), then `seed`, `condition` and `step`; `status` over axes and
    seed: finished, diverged, stopped (by successive halving), partial or missing. What is not
    there is NaN. Attributes: `name`, `sweep` and `base` (YAML), `claims` (JSON), and `missing`,
    the cells that are not finished.

    name: of the grid, where the directory holds several.
    """
    path = Path(directory)
    sweep = sweep_of(path, name)
    folders = [path / CELLS / cell.digest for cell in sweep.cells]
    records = [tolerant_records(folder) for folder in folders]
    left = stopped([sweep], SweepDirectory(path)) if sweep.config.halving else ()
    statuses = [
        "stopped" if cell.digest in left else status_of(folder)
        for cell, folder in zip(sweep.cells, folders, strict=True)
    ]
    steps = sorted({record["step"] for of_cell in records for record in of_cell})
    conditions = list(
        dict.fromkeys(c for cell in sweep.cells for c in cell.config.evaluation.conditions)
    )
    dims, coords = _axes(sweep)
    shape = [len(coords[dim][1]) for dim in dims]
    variables: dict[str, Any] = {}
    for metric, values in _arrays(records, steps, conditions).items():
        own = _dims(values)[1:]
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
            "base": yaml.safe_dump(sweep.config.base, sort_keys=False),
            "claims": json.dumps([claim.model_dump(mode="json") for claim in sweep.config.claims]),
            "missing": [
                f"{cell.text}: {status}"
                for cell, status in zip(sweep.cells, statuses, strict=True)
                if status != "finished"
            ],
        },
    )


def _arrays(runs: list[Records], steps: list[int], conditions: list[str]) -> dict[str, np.ndarray]:
    """By metric: [run, condition, step] or [run, condition, step, stratum]; train_loss [run, step].

    Filled by position rather than looked up: a thousand runs take seconds.
    """
    places = {step: i for i, step in enumerate(steps)}
    rows = {condition: i for i, condition in enumerate(conditions)}
    shape = (len(runs), len(conditions), len(steps))
    arrays: dict[str, np.ndarray] = {}
    train_loss = np.full((len(runs), len(steps)), np.nan)
    for i, records in enumerate(runs):
        for record in records:
            at = places[record["step"]]
            loss = record["train"]["loss"]
            train_loss[i, at] = np.nan if loss is None else loss
            for condition, scores in record["conditions"].items():
                for metric, value in scores.items():
                    if metric not in arrays:
                        strata = (len(value),) if isinstance(value, list) else ()
                        arrays[metric] = np.full((*shape, *strata), np.nan)
                    if value is not None and condition in rows:
                        arrays[metric][i, rows[condition], at] = value
    return arrays | {"train_loss": train_loss}


def _strategies(configs: Iterable[AnyConfig], conditions: list[str]) -> tuple[str, list[str]]:
    """The coordinate `strategy`; empty where runs give a name to families that show others."""
    found: dict[str, set[str]] = {}
    for config in configs:
        for name, strategy in strategies_of(config).items():
            found.setdefault(name, set()).add(strategy)
    return "condition", [found[name].pop() if len(found[name]) == 1 else "" for name in conditions]


def _dims(values: np.ndarray) -> tuple[str, ...]:
    """The names of an array's axes, by their number."""
    if values.ndim == 2:
        return "run", "step"
    return ("run", "condition", "step", "stratum")[: values.ndim]


def _axes(sweep: Sweep) -> tuple[list[str], dict[str, Any]]:
    """Dimensions of a grid, the seed's last, and their coordinates."""
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
