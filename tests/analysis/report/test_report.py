"""The report of sweeps that were never run: its files, and that the page needs nothing else."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import xarray

from icl.analysis.figures.formats import FORMATS
from icl.analysis.report.interactive import figure_data
from icl.analysis.report.make import Report, print_report, write_report
from icl.analysis.report.tables import MAX_ROWS, derived_table

from ...messages import refused
from ..synthetic import make_sweep, without

CLAIMS = [
    {
        "kind": "rises",
        "text": "More bursts, more <ICL>",
        "condition": "fewshot_holdout",
        "metric": "accuracy_in_context",
        "along": "data.p_bursty",
        "at": "peak",
    },
    {
        "kind": "above",
        "text": "Weights know it all",
        "condition": "no_support",
        "metric": "accuracy",
        "threshold": 0.9,
        "where": {"data.zipf_exponent": 0.0},
    },
]
MISSING = {"data.p_bursty": 2, "data.zipf_exponent": 3}
PICTURE = b"\x89PNG\r\n\x1a\n not really"


def write(folder: Path, *sweeps: xarray.Dataset) -> Report:
    named = {sweep.attrs["name"]: sweep for sweep in sweeps}
    return write_report(named, {"cells/0f": PICTURE}, folder, folder / "report.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return write(folder, without(make_sweep(claims=CLAIMS), **MISSING))


@pytest.fixture(scope="module")
def written(folder: Path, report: Report) -> Path:
    return folder


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figure, for tests of texts: drawing takes seconds."""
    monkeypatch.setattr("icl.analysis.report.make._figures", lambda datasets: {})


class Page(HTMLParser):
    """The addresses of a page, and its visible text."""

    def __init__(self, path: Path):
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.ids: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self._hidden = 0
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        for name, value in attrs:
            if name in ("src", "srcset", "href", "data", "poster", "action"):
                (self.linked if tag == "a" else self.loaded).append(value or "")
            if name in ("id", "alt"):
                (self.ids if name == "id" else self.alts).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def test_the_page_is_one_file_and_small(written: Path):
    page = Page(written / "report.html")
    assert (written / "report.html").stat().st_size < 10e6
    assert page.loaded == [address for address in page.loaded if address.startswith("data:")]
    assert len(page.loaded) == 1  # the picture
    assert page.linked
    for address in page.linked:
        assert not re.match(r"[a-z]+:|/", address), address
    style = re.search(r"<style>.*?</style>", (written / "report.html").read_text(), re.S)
    assert style is not None
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_the_page_tells_claims_missing_cells_and_grid(written: Path):
    text = Page(written / "report.html").text
    for part in (
        "More bursts, more <ICL>",
        "✓pass",
        "✗fail",
        "t over seeds, paired",
        "90 runs (87 finished, 3 missing); 2 claims (1 pass, 1 fail).",
        "Runs that are not finished: 1",
        "data.p_bursty: [0, 1]",
        "without 3 of 90 runs",
    ):
        assert part in text, part


def test_verdicts_are_a_list_of_records(written: Path):
    records = json.loads((written / "verdicts.json").read_text())
    assert [record["verdict"] for record in records] == ["pass", "fail"]
    assert records[0]["claim"] == CLAIMS[0]["text"]
    assert {record["sweep"] for record in records} == {"synthetic"}
    low, high = records[0]["interval"]
    assert low < records[0]["effect"] < high
    assert records[0]["seeds"] == 3


def test_figures_are_written_in_every_format(written: Path):
    names = {path.name for path in (written / "figures").iterdir()}
    stems = {
        "curves_data.p_bursty",
        "curves_data.zipf_exponent",
        "effects",
        "phase_data.p_bursty_data.zipf_exponent",
    }
    assert names == {f"{stem}.{form}" for stem in stems for form in FORMATS}
    starts = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    for form, start in starts.items():
        assert (written / "figures" / f"effects.{form}").read_bytes().startswith(start)


def test_figures_of_knobs_of_matrices_are_files_in_one_folder(tmp_path: Path):
    sweep = make_sweep({"connectivity.block*/mixer/qkv/*.rank": [1, 4, 16]})
    write_report({"matrices": sweep}, {}, tmp_path, tmp_path / "report.html")
    figures = list((tmp_path / "figures").iterdir())
    assert all(path.is_file() for path in figures)
    assert "curves_connectivity.block_mixer_qkv_.rank.png" in {path.name for path in figures}


def test_the_same_sweep_makes_the_same_files(tmp_path: Path):
    one, other = (tmp_path / name for name in ("one", "other"))
    for folder in (one, other):
        write(folder, make_sweep({"a": [1, 2]}))
    for path in one.rglob("*.*"):
        assert (other / path.relative_to(one)).read_bytes() == path.read_bytes(), path.name


def test_the_report_is_printed(folder: Path, report: Report, tmp_path: Path):
    with (tmp_path / "out.txt").open("w") as file:
        print_report(report, file)
    text = (tmp_path / "out.txt").read_text()
    assert "✓ pass" in text
    assert str(folder / "report.html") in text
    assert text.count(str(folder / "figures")) == 1


def test_several_sweeps_are_one_page(tmp_path: Path):
    words = make_sweep({"model.kind": ["transformer", "lstm"]}, num_seeds=1, claims=[])
    alone = make_sweep({}, num_steps=1).assign_attrs(name="alone")
    written = write(tmp_path, words, alone)
    text = (tmp_path / "report.html").read_text()
    assert text.count("<section data-sweep") == 2
    assert "no claims" in written.summary
    assert "All claims" not in text
    assert json.loads((tmp_path / "verdicts.json").read_text()) == []
    assert (tmp_path / "figures" / "alone_curves.png").exists()


def test_a_page_of_several_sweeps_begins_with_all_claims_and_all_grids(tmp_path: Path):
    one = make_sweep({"data.p_bursty": [0.0, 1.0]}, claims=CLAIMS[:1])
    other = make_sweep({}).assign_attrs(name="other one")
    nothing = without(make_sweep({"a": [1, 2]}), a=slice(None)).assign_attrs(name="nothing")
    write(tmp_path, one, other, nothing)
    page = Page(tmp_path / "report.html")
    assert page.text.index("All claims") < page.text.index("All grids")
    assert page.text.index("All grids") < page.text.index("Learning curves")
    assert page.text.count("✓pass") == 2  # and in the sweep's own table
    assert "for lack of finished runs: nothing." in page.text
    targets = [unquote(address[1:]) for address in page.linked if address.startswith("#")]
    assert targets == ["synthetic", "synthetic", "other one"]
    assert page.ids == ["synthetic", "other one", "nothing"]
    assert [alt.partition(":")[0] for alt in page.alts[:2]] == ["synthetic", "other one"]
    assert all(address.startswith("data:image/") for address in page.loaded)
    for form in FORMATS:
        assert (tmp_path / "figures" / f"overview.{form}").exists()


def test_a_page_of_one_sweep_has_no_overview(written: Path):
    page = Page(written / "report.html")
    assert "All claims" not in page.text
    assert page.ids == []
    assert not list((written / "figures").glob("overview*"))


def test_verdicts_are_a_table_in_markdown(written: Path):
    lines = (written / "verdicts.md").read_text().splitlines()
    assert lines[-1] == "90 runs (87 finished, 3 missing); 2 claims (1 pass, 1 fail)."
    heading, rule, *rows = [line.strip("|").split(" | ") for line in lines[:4]]
    assert {len(row) for row in (heading, *rows)} == {8}
    assert set("".join(rule)) <= set("- |")
    records = json.loads((written / "verdicts.json").read_text())
    for row, record in zip(rows, records, strict=True):
        cells = dict(zip(map(str.strip, heading), map(str.strip, row), strict=True))
        assert cells["grid"] == "synthetic"
        assert cells["verdict"].endswith(record["verdict"])
        assert float(cells["effect"]) == pytest.approx(record["effect"], rel=5e-3)
        low, high = cells["95 % interval"].partition(" (")[0].split(" to ")
        assert [float(low), float(high)] == pytest.approx(record["interval"], rel=5e-3)
        assert int(cells["seeds"]) == record["seeds"]


def test_claims_cannot_break_the_markdown_table(tmp_path: Path, without_figures: None):
    text = "p(a|b)\n*rises*, <b>"
    write(tmp_path, make_sweep({"data.p_bursty": [0, 1]}, claims=[{**CLAIMS[0], "text": text}]))
    lines = (tmp_path / "verdicts.md").read_text().splitlines()
    assert len(lines) == 5
    assert r"| p(a\|b) \*rises\*, \<b> |" in lines[2]


def test_claims_are_printed_as_they_are(tmp_path: Path, without_figures: None):
    text = "of block0/mixer/qkv/[qk]*, not [/b]"
    claims = [{**CLAIMS[0], "text": text}]
    report = write(tmp_path, make_sweep({"data.p_bursty": [0, 1]}, claims=claims))
    with (tmp_path / "out.txt").open("w") as file:
        print_report(report, file)
    assert text in " ".join((tmp_path / "out.txt").read_text().split())


def test_the_table_of_numbers_is_of_runs_that_ended():
    gone = without(
        make_sweep({"data.p_bursty": [0, 1]}), "partial", **{"data.p_bursty": 1, "seed": 0}
    )
    begun = gone.copy(deep=True)
    for metric in ("accuracy", "accuracy_in_context"):
        begun[metric][1, 0, :, :3] = 0.1  # its first evaluations
    text = derived_table(begun)
    assert "of 2 runs" in text
    assert "of 3 runs" in text
    assert text == derived_table(gone)


def test_without_claims_the_markdown_has_no_table(tmp_path: Path, without_figures: None):
    write(tmp_path, make_sweep({}))
    assert (tmp_path / "verdicts.md").read_text() == "3 runs (3 finished); no claims.\n"


def test_nothing_is_written_where_a_claim_is_wrong(tmp_path: Path):
    wrong = [{**CLAIMS[0], "condition": "nowhere"}]
    with refused("claims.0.condition = nowhere"):
        write(tmp_path, make_sweep(claims=wrong))
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_which_nothing_is_there_yet(tmp_path: Path, without_figures: None):
    empty = without(make_sweep({"data.p_bursty": [0, 1]}, claims=CLAIMS[:1]), seed=slice(None))
    write(tmp_path, empty)
    records = json.loads((tmp_path / "verdicts.json").read_text())
    assert [record["verdict"] for record in records] == ["undecided"]
    assert records[0]["effect"] is None


def test_a_sweep_that_has_only_begun(tmp_path: Path):
    sweep = make_sweep(claims=CLAIMS).isel(step=slice(0))
    write(tmp_path, sweep[["status"]].assign_coords(condition=sweep.condition, step=sweep.step))
    assert "No run was evaluated yet" in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "figures").exists()


@pytest.mark.slow
def test_a_thousand_cells_are_fast_and_small(tmp_path: Path):
    knobs = {"a": list(range(20)), "b": [2.0**i for i in range(10)]}
    sweep = make_sweep(knobs, num_seeds=5, num_steps=120, claims=[])
    start = time.process_time()
    write(tmp_path, sweep)
    assert time.process_time() - start < 20
    assert (tmp_path / "report.html").stat().st_size < 10e6
    rows = Page(tmp_path / "report.html").text.count("of 50 runs")
    assert 0 < rows <= MAX_ROWS


def test_figure_data_are_the_means_of_the_sweep():
    sweep = make_sweep()
    data = figure_data(sweep)
    assert data["steps"] == sweep.step.values.tolist()
    means = sweep.accuracy.mean(["data.zipf_exponent", "seed"])
    found = np.array(data["lines"][0]["accuracy"]["mean"])
    expected = means.transpose("condition", "data.p_bursty", "step").values
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    [pair] = data["pairs"]
    assert np.shape(pair["values"]["loss"]) == (3, 5, 6, 20)
    assert {len(row) for row in pair["runs"]} == {6}


def test_runs_that_ended_early_keep_their_last_value_and_others_do_not():
    sweep = make_sweep({"a": [1, 2, 3]}, num_seeds=1)
    late = sweep.step > 5000
    sweep = sweep.map(lambda v: v.where(~late) if v.dtype.kind == "f" else v)
    # Finished: by its own rule for ending early, or with fewer steps to do.
    statuses = [["diverged"], ["finished"], ["partial"]]
    sweep["status"] = xarray.DataArray(statuses, dims=("a", "seed"))
    mean = np.array(figure_data(sweep)["lines"][0]["accuracy"]["mean"], dtype=float)
    assert (mean[:, :2, 10:] == mean[:, :2, 9:10]).all()
    assert np.isnan(mean[:, 2, 10:]).all()


def test_many_steps_are_thinned_and_the_last_one_stays():
    data = figure_data(make_sweep(num_steps=200))
    assert len(data["steps"]) <= 60
    assert data["steps"][-1] == 100_000
