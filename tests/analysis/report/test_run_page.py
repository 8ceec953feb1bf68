"""The page of a single run, finished or not."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from icl.analysis.report.make import report
from icl.records import load
from icl.records.history import code_digest

from ...fixtures.make import RELEASE
from ...messages import refused

# Runs that release 0.1.0 left halfway: their records are there, and no summary.
KINDS = ("sequences", "task")


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return shutil.copytree(RELEASE / request.param / "run", tmp_path / f"a <{request.param}>")


class Reader(HTMLParser):
    """The rows of all tables, the sources of images, the targets of links, and tags left open."""

    def __init__(self, page: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "img":
            self.images.append(of["src"] or "")
        elif tag == "a":
            self.links.append(of["href"] or "")
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def test_the_page_has_curves_scores_settings_and_versions(run: Path):
    (run / "sequences.png").write_bytes(b"\x89PNG")
    written = report(run)
    assert written.paths == [str(run / "report.html")]
    assert "begun, not finished; evaluated until step 8" in written.summary
    page = (run / "report.html").read_text()
    found = Reader(page)
    assert found.open == []
    assert f"<h1>a &lt;{run.name[3:-1]}&gt;</h1>" in page
    assert len(found.images) == 2
    assert all(image.startswith("data:image/png;base64,") for image in found.images)
    assert "http://" not in page
    assert "https://" not in page
    for link in found.links:
        assert (run / link).exists()
    assert (run / "config.yaml").read_text().splitlines()[-1] in page
    versions = dict(row for row in found.rows if len(row) == 2)
    assert versions["icl"] == "0.1.0"
    assert versions["jax"]
    assert versions["source code from step 0"] == "not recorded"


def test_scores_are_those_of_the_records(run: Path):
    report(run)
    dataset = load(run)
    found = Reader((run / "report.html").read_text())
    head = next(row for row in found.rows if row[0] == "condition")
    rows = {row[0].rpartition(": ")[2]: row for row in found.rows if len(row) == len(head)}
    column = head.index("accuracy, all labels")
    for condition in dataset.condition.values.tolist():
        values = dataset.accuracy.sel(condition=condition)
        assert rows[condition][column] == f"{float(values[-1]):.3g}"
        best = int(np.argmax(values.values))
        assert rows[condition][column + 1] == f"{float(values[best]):.3g}{int(values.step[best])}"
    is_task = "kernel_alignment" in dataset
    assert ("kernel alignment" in head) == is_task
    assert ("RA, KA" in (run / "report.html").read_text()) == is_task


def test_the_page_may_be_elsewhere_and_nothing_else_is_written(run: Path, tmp_path: Path):
    before = sorted(run.rglob("*"))
    out = tmp_path / "pages" / "one.html"
    assert report(run, out).paths == [str(out)]
    assert sorted(run.rglob("*")) == before
    for link in Reader(out.read_text()).links:
        assert (out.parent / link).resolve().is_relative_to(run)


def test_a_finished_run_and_all_codes_that_trained_it_are_shown(tmp_path: Path):
    run = shutil.copytree(RELEASE / "task" / "run", tmp_path / "run")
    (run / "summary.json").write_text("{}")
    with (run / "events.jsonl").open("a") as file:
        file.write(json.dumps({"event": "resume", "code": code_digest(), "step": 10}) + "\n")
    assert "A run, finished;" in report(run).summary
    versions = dict(row for row in Reader((run / "report.html").read_text()).rows if len(row) == 2)
    assert versions["source code from step 10"] == code_digest()


def test_a_run_without_evaluations_has_a_page(tmp_path: Path):
    run = shutil.copytree(RELEASE / "task" / "run", tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    (run / "events.jsonl").unlink()
    assert report(run).summary == "A run, begun, not finished; not evaluated yet."
    assert "not evaluated yet" in (run / "report.html").read_text()


def test_what_is_neither_run_nor_sweep_is_refused(tmp_path: Path):
    with refused(str(tmp_path)):
        report(tmp_path)


def test_an_export_is_named_and_draws_no_page(script, tmp_path: Path):
    run = shutil.copytree(RELEASE / "sequences" / "run", tmp_path / "run")
    done = script("report.py", "run", "--export", "table.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "table.csv\n", "")
    dataset = load(run)
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + dataset.sizes["condition"] * dataset.sizes["step"]
    assert not (run / "report.html").exists()
    done = script("report.py", "run", "--export", "b.csv", "--out", "c.html", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --out = c.html")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "table.csv"}
