"""Reports on a run: a progress bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from icl.analysis.printing import Printer, print_table
from icl.config import AnyConfig
from icl.config.conditions import STANDARD, condition_of, first_of_each, strategies_of
from icl.config.probes import ALIGNMENTS, ALIGNMENTS_NOTE
from icl.records.lines import read_lines
from icl.records.run_directory import METRICS, SEQUENCES, RunDirectory


class Progress:
    """Reports to standard error during a run, and its result to standard output at the end."""

    def __init__(self) -> None:
        self.console = Printer(stderr=True, highlight=False)
        self._bar: Bar | None = None
        self._scores = ""
        self._is_explained = False  # RA and KA
        self._clock: tuple[int, float] | None = None

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def training(self, num_steps: int) -> Iterator[None]:
        """Show a bar over the steps of a run, if standard error is a terminal."""
        self.say("compiling ...")
        if not self.console.is_terminal:
            yield
            return
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[scores]}"),
        )
        with Bar(*columns, console=self.console, speed_estimate_period=10) as bar:
            bar.add_task("", total=num_steps, rate="", scores="")
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def compiled(self, step: int, seconds: float) -> None:
        """Report how long compiling took; the speed is measured from here on."""
        self.say(f"compiled in {seconds:.1f} s")
        self._clock = (step, time.monotonic())

    def advance(self, step: int, loss: float) -> None:
        """Show that `step` steps are made; `loss` is the mean since the last evaluation."""
        if self._bar and self._clock:
            first_step, first_time = self._clock
            rate = (step - first_step) / max(time.monotonic() - first_time, 1e-9)
            self._bar.update(
                self._bar.task_ids[0],
                completed=step,
                rate=f"{rate:.0f} steps/s",
                scores=f"loss {loss:.2f}  {self._scores}",
            )

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """Show the scores of an evaluation."""
        self._scores = scores_of(directory.config, record)
        if not self._is_explained and has_alignments(record):
            self.say(ALIGNMENTS_NOTE)
            self._is_explained = True
        if not self._bar:
            loss = record["train"]["loss"]
            loss_text = "" if loss is None else f"loss {loss:.3f}  "
            self.say(f"step {record['step']}  {loss_text}{self._scores}")

    def finished(self, summary: dict[str, Any], path: Path) -> None:
        """Print the table of results, with the alignments at the end, and the paths of the files.

        path: the folder of the run.
        """
        last = read_lines(path / METRICS)[-1]
        aligned = has_alignments(last)
        of_conditions = summary["conditions"]
        shown = {"accuracy": "accuracy", "accuracy_in_context": "in context"}
        shown = {
            m: text for m, text in shown.items() if any(m in of for of in of_conditions.values())
        }
        heads = [head for text in shown.values() for head in (text, "best")]
        table = Table("condition", *heads, "loss", *(ALIGNMENTS if aligned else ()), box=SIMPLE)
        for name, metrics in of_conditions.items():
            cells = [name]
            for metric in shown:
                scores = metrics[metric]
                best = f"{scores['best']:.3f} @{scores['best_step']}"
                cells += [f"{scores['final']:.3f}", best if scores["best"] > 0 else "-"]
            found = [last["conditions"][name].get(measure) for measure in ALIGNMENTS.values()]
            cells += [f"{metrics['loss']['final']:.3f}"]
            cells += ["-" if value is None else f"{value:.3f}" for value in found] * aligned
            table.add_row(*cells)
        console = Printer(file=sys.stdout, highlight=False)
        print_table(console, table)
        if aligned:
            console.print(ALIGNMENTS_NOTE, markup=False, soft_wrap=True)
        for name in ("summary.json", "metrics.jsonl", "curves.png", SEQUENCES):
            console.print(str(path / name), markup=False, soft_wrap=True)


def has_alignments(record: dict[str, Any]) -> bool:
    """Whether an evaluation records RA or KA."""
    measured = {name for scores in record["conditions"].values() for name in scores}
    return bool(measured & {*ALIGNMENTS.values()})


def scores_of(config: AnyConfig, record: dict[str, Any]) -> str:
    """The scores of an evaluation that fit a line, such as `ICL 0.98  IWL 0.25`.

    In-context and in-weights accuracy, each in its standard condition or else in the first that
    shows it; in conditions without a context their accuracy; representation alignment (RA) and
    kernel alignment (KA) in the first condition that records them. A measure that is undefined,
    such as the RA of silent units, is `none`.
    """
    conditions, strategies = record["conditions"], strategies_of(config)
    shown = first_of_each(strategies)
    shown |= {own: name for own, name in STANDARD.items() if strategies.get(name) == own}
    parts: list[tuple[str, str, str]] = [
        (own, name, condition_of(name, own).metric) for own, name in shown.items()
    ]
    if not config.has_context:
        without = [name for name, own in strategies.items() if not own]
        is_one = len(without) == 1
        parts += [("accuracy" if is_one else name, name, "accuracy") for name in without]
    for short, measure in ALIGNMENTS.items():
        measured = [name for name, scores in conditions.items() if measure in scores]
        parts += [(short, name, measure) for name in measured[:1]]
    return "  ".join(
        f"{short} {'none' if value is None else f'{value:.2f}'}"
        for short, name, metric in parts
        if metric in conditions.get(name, {})
        for value in [conditions[name][metric]]
    )
