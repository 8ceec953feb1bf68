"""The report of a sweep: its verdicts, its figures, and one page that shows them; or of a run."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import xarray
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from icl.analysis.claims import Verdict, judge
from icl.analysis.figures.formats import to_files
from icl.analysis.figures.overview import draw_overview
from icl.analysis.figures.sweep import draw_all
from icl.analysis.overview import panels_of
from icl.analysis.printing import Printer, print_table
from icl.analysis.report.page import make_page, summary
from icl.analysis.report.run_page import make_run_page, summary_of
from icl.analysis.report.tables import SIGNS, interval, number
from icl.errors import UserError
from icl.files import write_whole
from icl.records import load, local_copy, sweep_names
from icl.records.run_directory import CONFIG, SEQUENCES
from icl.records.sweep_directory import CELLS_FOLDER, GRIDS_FOLDER

REPORT, FIGURES = "report.html", "figures"
VERDICTS, TABLE, OVERVIEW = "verdicts.json", "verdicts.md", "overview"
MAX_PICTURES, MAX_PICTURE_BYTES = 3, 1_500_000
WIDTH = 120  # columns, of output that is not a terminal


class Report(NamedTuple):
    """A written report: the verdicts of each sweep, a summary in one line, the paths of files."""

    verdicts: dict[str, list[Verdict]]
    summary: str
    paths: list[str]


def report(directory: str | Path, out: str | Path | None = None) -> Report:
    """Write the report of a run, or of a directory of sweeps, finished or not.

    The report of a run is its page alone. Reports of sweeps in shared storage are copied there.

    out: the page; None: `report.html` in the directory.

    Raises UserError, before anything is written, where there is neither a run nor a sweep, or a
    claim refers to what a sweep does not have.
    """
    if (Path(directory) / CONFIG).exists():
        return _report_run(Path(directory).absolute(), out)
    names, store = sweep_names(directory), local_copy(directory)
    datasets = {name: load(store.local, name) for name in names}
    page = store.local / REPORT if out is None else Path(out)
    written = write_report(datasets, find_pictures(store.local), store.local, page)
    for path in map(Path, written.paths):
        if path.is_relative_to(store.local):
            store.push_file(path)
    return written._replace(paths=[store.where(Path(path)) for path in written.paths])


def _report_run(path: Path, out: str | Path | None) -> Report:
    page = path / REPORT if out is None else Path(out)
    run = load(path)
    content = make_run_page(run, path, page)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, content)
    return Report({}, summary_of(run, path), [str(page)])


def write_report(
    datasets: Mapping[str, xarray.Dataset],
    pictures: Mapping[str, bytes],
    directory: Path,
    out: Path,
) -> Report:
    """Write `verdicts.json`, `verdicts.md` and `figures/` in the directory, and the page.

    pictures: PNGs of sequences by what they show. out: the page.
    """
    verdicts = {name: _judge(name, dataset, len(datasets)) for name, dataset in datasets.items()}
    links = {
        name: Path(os.path.relpath(directory / name, out.parent)).as_posix()
        for name in (CELLS_FOLDER, GRIDS_FOLDER, VERDICTS, TABLE, FIGURES)
    }
    page = make_page(datasets, verdicts, pictures, links)
    contents: dict[Path, str | bytes] = {}
    for name, figure in _figures(datasets).items():
        for form, content in to_files(figure).items():
            contents[directory / FIGURES / f"{name}.{form}"] = content
    contents[directory / VERDICTS] = to_json(verdicts)
    line = summary(datasets, verdicts)
    contents[directory / TABLE] = to_markdown(verdicts, line)
    contents[out] = page
    for path in contents:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, contents[path])
    return Report(verdicts, line, list(map(str, contents)))


def find_pictures(directory: Path) -> dict[str, bytes]:
    """A few different pictures of the sequences of runs, by the folder of the run."""
    found: dict[str, bytes] = {}
    for path in sorted(directory.glob(f"{CELLS_FOLDER}/*/{SEQUENCES}")):
        content = path.read_bytes()
        if content not in found.values() and len(content) <= MAX_PICTURE_BYTES:
            found[path.parent.relative_to(directory).as_posix()] = content
        if len(found) == MAX_PICTURES:
            break
    return found


def to_json(verdicts: Mapping[str, list[Verdict]]) -> str:
    """A list of verdicts, each with the name of its sweep; NaN becomes null."""
    records = [
        {"sweep": name} | verdict._asdict()
        for name, of_sweep in verdicts.items()
        for verdict in of_sweep
    ]
    plain: Any = json.loads(json.dumps(records), parse_constant=lambda name: None)
    return json.dumps(plain, indent=1, allow_nan=False) + "\n"


def to_markdown(verdicts: Mapping[str, list[Verdict]], line: str) -> str:
    """A table for other pages, with a row for each verdict, and a line below it."""
    rows = [
        ("grid", "claim", "verdict", "effect", "95 % interval", "seeds", "effect size", "of what"),
        ("---",) * 8,
        *(
            (
                name,
                verdict.claim,
                f"{SIGNS[verdict.verdict]} {verdict.verdict}",
                number(verdict.effect),
                f"{interval(*verdict.interval)} ({verdict.interval_kind})",
                str(verdict.seeds),
                f"{number(verdict.effect_size)} ({verdict.effect_size_kind})",
                verdict.detail,
            )
            for name, of_sweep in verdicts.items()
            for verdict in of_sweep
        ),
    ]
    table = [f"| {' | '.join(map(_in_markdown, row))} |\n" for row in rows]
    return "".join([*table, "\n"] if len(rows) > 2 else []) + f"{line}\n"


def print_report(written: Report, out: TextIO) -> None:
    """Print the verdicts as a table, and the files and folders that were written.

    out: a text file, or a terminal, whose width the table keeps to.
    """
    console = Printer(file=out, highlight=False, width=None if out.isatty() else WIDTH)
    for name, verdicts in written.verdicts.items():
        if verdicts:
            print_table(console, _table(name, verdicts))
    console.print(written.summary, markup=False, soft_wrap=True)
    for path in dict.fromkeys(_folder_of_figures(path) for path in written.paths):
        console.print(path, markup=False, soft_wrap=True)


def _folder_of_figures(path: str) -> str:
    """The folder of all figures where a path is one of them, else the path."""
    folder = path.rpartition("/")[0]
    return folder if folder.endswith(f"/{FIGURES}") else path


def _figures(datasets: Mapping[str, xarray.Dataset]) -> dict[str, Figure]:
    """The figures by the names of their files, with an overview of several sweeps."""
    is_one = len(datasets) == 1
    figures = {
        _file_name(figure_name if is_one else f"{name}_{figure_name}"): figure
        for name, dataset in datasets.items()
        for figure_name, figure in draw_all(dataset).items()
    }
    panels = [] if is_one else panels_of(datasets)
    return figures | ({OVERVIEW: draw_overview(panels)} if panels else {})


def _file_name(name: str) -> str:
    """A file's name for a figure, whose own may hold a knob such as block*/mixer/qkv/*."""
    return re.sub(r"[^\w.-]+", "_", name)


def _in_markdown(text: str) -> str:
    """A text as a cell of a Markdown table, without marks of its own."""
    return re.sub(r"([\\|<*`\[\]])", r"\\\1", " ".join(text.split()))


def _judge(name: str, dataset: xarray.Dataset, count: int) -> list[Verdict]:
    """Judge a sweep's claims. Raises UserError that names the sweep if there are several."""
    try:
        return judge(dataset)
    except UserError as error:
        prefix = f"{name}: " if count > 1 else ""
        raise UserError(*(f"{prefix}{line}" for line in error.args)) from None


def _table(name: str, verdicts: list[Verdict]) -> Table:
    columns = ("", "claim", "effect", "95 % interval", "seeds", "effect size")
    title = escape(f"Claims of {name}")
    table = Table(*columns, box=SIMPLE, title=title, title_justify="left")
    for verdict in verdicts:
        table.add_row(
            f"{SIGNS[verdict.verdict]} {verdict.verdict}",
            escape(f"{verdict.claim}\n  {verdict.detail}" if verdict.detail else verdict.claim),
            number(verdict.effect),
            interval(*verdict.interval),
            str(verdict.seeds),
            f"{number(verdict.effect_size)} ({verdict.effect_size_kind})",
        )
    return table
