"""The description of a task as text."""

from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from icl.config.claims import WEIGHT_STATISTICS


def trial_tables(report: dict[str, Any]) -> list[Table | str]:
    """Tables of the numbers of `icl.description.trials`."""
    return [_task(report["task"]), _network(report), *weight_tables(report)]


def weight_tables(report: dict[str, Any]) -> list[Table | str]:
    """Statistics of the initial weight matrices, and the warning if there is one."""
    warning = [f"warning: {report['warning']}\n"] if report["warning"] else []
    return [_weights(report["weights"]), *warning]


def parameter_table(report: dict[str, Any]) -> Table:
    """Numbers of trained parameters by part of the network."""
    table = _titled(f"Network: {report['config']['model']['kind']}")
    for name, count in report["num_parameters"].items():
        table.add_row("parameters" if name == "total" else f"  {name}", f"{count:,}")
    return table


def _task(task: dict[str, Any]) -> Table:
    table = _titled(f"Task: {task['kind']}")
    periods = _listed({name: steps for name, steps in task["periods"].items() if steps})
    table.add_row(f"{task['num_steps']:,} steps", periods)
    for name in ("inputs", "outputs"):
        table.add_row(f"{sum(task[name].values()):,} {name}", _listed(task[name]))
    table.add_row("chance", f"{task['chance']:.4g}")
    return table


def _network(report: dict[str, Any]) -> Table:
    table = parameter_table(report)
    of_step = "FLOP of a step, forward"
    if report["num_network_steps"] < report["task"]["num_steps"]:
        of_step += f" ({report['num_network_steps']:,} for a whole trial)"
    table.add_row(of_step, f"{report['flops_per_step']:,}")
    table.add_row("FLOP of a trial, forward", f"{report['flops_per_trial']:,}")
    table.add_row("FLOP of a trial in training", f"{report['training_flops_per_trial']:,}")
    table.columns[1].justify = "right"
    return table


def _weights(weights: dict[str, dict[str, float | None]]) -> Table:
    title = "Initial weights"
    table = Table("", *WEIGHT_STATISTICS.values(), box=SIMPLE, title=title, title_justify="left")
    for name, measured in weights.items():
        values = (measured[column] for column in WEIGHT_STATISTICS)
        table.add_row(name, *("-" if value is None else f"{value:.4g}" for value in values))
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _titled(title: str) -> Table:
    return Table("", "", box=SIMPLE, title=title, title_justify="left", show_header=False)
