"""A description as text: measured beside intended statistics, costs, and ceilings."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from icl.analysis.printing import Printer, print_table
from icl.description.trial_tables import parameter_table, weight_tables

WIDTH = 110
MAX_BURSTS = 8  # counts with a row of their own
LEARNERS = ("nearest_neighbour", "in_context", "in_weights", "combined")


def print_tables(tables: list[Any], files: list[Path], out: Any) -> None:
    """Print tables, and the paths of the files of a description.

    out: a text file, or a terminal, whose width tables keep to.
    """
    console = Printer(file=out, highlight=False, width=None if out.isatty() else WIDTH)
    for table in tables:
        if isinstance(table, Table):
            print_table(console, table)
        else:
            console.print(table)
    for path in files:
        console.print(str(path), markup=False, soft_wrap=True)


def sequence_tables(report: dict[str, Any]) -> list[Table]:
    """Tables of the numbers of `icl.description.sequence_report`."""
    metrics = {
        "accuracy": "over all labels",
        "accuracy_in_context": "among the labels in context",
    }
    ceilings = [_ceilings(report, metric, title) for metric, title in metrics.items()]
    return [_statistics(report), _costs(report), *ceilings]


def program_tables(report: dict[str, Any]) -> list[Table | str]:
    """Tables of the numbers of `icl.description.any_problem`."""
    return [parameter_table(report), *weight_tables(report)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _statistics(report: dict[str, Any]) -> Table:
    families = ", ".join(f"{name} {weight:.3g}" for name, weight in report["families"].items())
    drawn, theory = report["num_sequences"], report["theory"]
    is_same = report["of"] == theory["of"]
    of = "" if is_same else f", of {report['of']}"
    title = f"Training sequences: {families} ({drawn:,} drawn{of})"
    intended_of = "intended" if is_same else f"intended, of {theory['of']}"
    table = Table("", "measured", intended_of, box=SIMPLE, title=title, title_justify="left")
    for name, text in (
        ("p_query_in_context", "query's class in context"),
        ("label_entropy_bits", "entropy of a class's label (bits)"),
    ):
        table.add_row(text, _number(report[name]), _number(theory[name]))
    bursts, intended = report["burst_counts"], theory["burst_counts"]
    rows = _largest(bursts, intended)
    for k in rows:
        table.add_row(
            f"query's class {k} times in context",
            _number(bursts[k]),
            _number(intended[k] if intended else None),
        )
    others = [k for k in range(len(bursts)) if k not in rows]
    if any(bursts[k] for k in others):
        rest = sum(intended[k] for k in others) if intended else None
        text = "query's class as often as not listed"
        table.add_row(text, _number(sum(bursts[k] for k in others)), _number(rest))
    name = "class_frequencies_by_class"
    frequencies, intended = np.array(report[name]), theory[name]
    for count in (1, 10, 100, 1000):
        if count < len(frequencies):
            table.add_row(
                f"query of the {count:,} commonest of {len(frequencies):,} classes",
                _number(frequencies[:count].sum()),
                _number(None if intended is None else sum(intended[:count])),
            )
    return table


def _largest(bursts: list[float], intended: list[float] | None) -> list[int]:
    """The counts with the largest shares, in ascending order."""
    shares = [max(pair) for pair in zip(bursts, intended or bursts, strict=True)]
    rows = [k for k, share in enumerate(shares) if share > 1e-4]
    return sorted(sorted(rows, key=lambda k: -shares[k])[:MAX_BURSTS])


def _costs(report: dict[str, Any]) -> Table:
    table = Table("", "", box=SIMPLE, title="Network", title_justify="left", show_header=False)
    parts = report["num_parameters"]
    table.add_row("parameters", f"{parts['total']:,}")
    for name, count in parts.items():
        if name != "total":
            table.add_row(f"  {name}", f"{count:,}")
    table.add_row("labels to choose from", f"{report['num_labels']:,}")
    table.add_row("FLOP of a sequence, forward", f"{report['flops_per_sequence']:,}")
    table.add_row("FLOP of a sequence in training", f"{report['training_flops_per_sequence']:,}")
    memory = report["memory_per_sequence_bytes"]
    table.add_row("memory of a sequence in training", f"{memory / 2**20:.3g} MiB")
    table.columns[1].justify = "right"
    return table


def _ceilings(report: dict[str, Any], metric: str, title: str) -> Table:
    error, exact = ("stderr", "exact")
    if metric != "accuracy":
        error, exact = f"{error}_in_context", f"{exact}_in_context"
    heading = f"Ceilings {title} (= exact, else with its standard error)"
    columns = ("", *(name.replace("_", " ") for name in LEARNERS), "chance")
    table = Table(*columns, box=SIMPLE, title=heading, title_justify="left")
    for name, scores in report["ceilings"].items():
        cells = []
        for learner in LEARNERS:
            score = scores[learner]
            is_exact = score[exact] is not None
            cells.append(
                f"= {score[exact]:.4f}" if is_exact else f"{score[metric]:.3f} ± {score[error]:.3f}"
            )
        if name == "train" and report["of"] != report["theory"]["of"]:
            table.caption = f"train: of {report['of']}; in weights: {report['in_weights_of']}"
            table.caption_justify = "left"
        table.add_row(name, *cells, _number(report["chance"][name][metric]))
    return table
