"""Records as one labelled array."""

from pathlib import Path

import numpy as np
import xarray

from icl.errors import UserError
from icl.records.config_file import dump_config, load_config
from icl.records.run_directory import CONFIG, METRICS, read_lines


def load_run(run: str | Path) -> xarray.Dataset:
    """The metrics of a run, finished or not.

    Variables: `accuracy`, `accuracy_in_context`, `loss` and so on over (condition, step), and
    `train_loss`, the mean over the steps since the evaluation before, over (step);
    `accuracy_by_frequency` over (condition, step, stratum), tenths of the training classes, the
    commonest first. Attribute `config`: the resolved config as YAML. Metrics that a condition
    does not have are NaN.
    """
    path = Path(run)
    if not (path / CONFIG).exists():
        raise UserError(f"{path}: not the folder of a run (it has no {CONFIG})")
    config = load_config(path / CONFIG)
    records = read_lines(path / METRICS)
    conditions = list(config.evaluation.conditions)
    metrics = list(
        dict.fromkeys(
            metric
            for record in records
            for scores in record["conditions"].values()
            for metric in scores
        )
    )
    variables = {}
    for metric in metrics:
        values = np.array(
            [[record["conditions"][name].get(metric) for record in records] for name in conditions],
            dtype=np.float64,  # null becomes NaN
        )
        variables[metric] = (("condition", "step", "stratum")[: values.ndim], values)
    train_loss = np.array([record["train"]["loss"] for record in records], dtype=np.float64)
    return xarray.Dataset(
        {**variables, "train_loss": (("step",), train_loss)},
        coords={
            "condition": conditions,
            "step": np.array([record["step"] for record in records], dtype=np.int64),
        },
        attrs={"config": dump_config(config)},
    )
