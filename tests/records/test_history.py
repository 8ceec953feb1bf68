"""What the events of a run record: its id, its settings, and the source code that trained it."""

import json
import re
import time
from pathlib import Path

import pytest

import icl
from icl.records import history
from icl.records.history import Code, History, Lengthening, code_digest, read_history
from icl.records.run_directory import RunDirectory

from ..messages import refused

# Parts of the package that numbers of a run may depend on.
DECIDE = {
    "__init__.py", "config", "data", "evaluation", "files.py", "interventions", "models",
    "probes", "problems", "records", "runs", "training", "types.py",
}  # fmt: skip


def write_events(path: Path, *events: dict) -> None:
    (path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def start(code: str | None) -> dict:
    return {"event": "start"} | ({"code": code} if code else {})


def resume(code: str | None, step: int) -> dict:
    return {"event": "resume", "code": code, "step": step}


@pytest.mark.parametrize(
    ("events", "codes"),
    [
        ([start("a")], [("a", 0)]),
        ([start("a"), resume("a", 10)], [("a", 0)]),
        ([start("a"), resume("b", 10), resume("b", 20)], [("a", 0), ("b", 10)]),
        # Steps that were made anew are of the code that made them last.
        ([start("a"), resume("b", 10), resume("a", 10)], [("a", 0)]),
        ([start("a"), resume("b", 20), resume("c", 10)], [("a", 0), ("c", 10)]),
        ([start("a"), resume("b", 0)], [("b", 0)]),
        # Release 0.1.0 recorded neither, but the step that it restored.
        ([start(None)], [(None, 0)]),
        ([start(None), {"event": "resume"}, {"event": "restored", "step": 5}], [(None, 0)]),
        ([start(None), resume("a", 5)], [(None, 0), ("a", 5)]),
        (
            [start("a"), {"event": "resume"}, {"event": "restored", "step": 5}],
            [("a", 0), (None, 5)],
        ),
        ([], []),
    ],
)
def test_codes_are_those_of_the_steps_that_remain(tmp_path: Path, events, codes):
    write_events(tmp_path, *events)
    assert read_history(tmp_path).codes == tuple(Code(*code) for code in codes)


def test_changes_are_told_where_two_codes_are_known():
    one, other, unknown = Code("a", 0), Code("b", 10), Code(None, 0)
    assert History(codes=(one,)).code_changes == []
    assert History(codes=(unknown, other)).code_changes == []
    changes = [{"digest": "a", "step": 0}, {"digest": "b", "step": 10}]
    assert History(codes=(one, other)).code_changes == changes
    third = [{"digest": None, "step": 0}, *changes[1:], {"digest": "c", "step": 20}]
    assert History(codes=(unknown, other, Code("c", 20))).code_changes == third


def test_a_torn_line_is_skipped(tmp_path: Path):
    write_events(tmp_path, start("a"))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "resume", "co\n[1]\n')
    assert read_history(tmp_path).codes == (Code("a", 0),)


def test_a_lengthened_run_may_have_either_settings_until_its_file_is_replaced(tmp_path: Path):
    numbers = {"step": 7, "loss_sum": 1.5, "loss_count": 3}
    digests = {"settings_before": "old", "settings": "new"}
    write_events(
        tmp_path,
        start("a") | {"settings": "old", "run_id": "id"},
        {"event": "lengthened"} | numbers | digests,
    )
    found = read_history(tmp_path)
    assert (found.run_id, found.settings) == ("id", ("old", "new"))
    assert found.lengthened == Lengthening(**numbers)


def test_the_digest_covers_all_code_that_decides_numbers(monkeypatch: pytest.MonkeyPatch):
    package = Path(icl.__file__).parent
    entries = {path.name for path in package.iterdir()} - {"__pycache__", "py.typed"}
    assert entries == DECIDE | set(history.READERS)
    read: list[str] = []
    opened = open

    def note(path: str, mode: str):
        read.append(Path(path).relative_to(package).parts[0])
        return opened(path, mode)

    monkeypatch.setattr("builtins.open", note)
    digest = code_digest.__wrapped__()
    assert set(read) == DECIDE
    assert len(read) > 100
    monkeypatch.undo()
    assert digest == code_digest()
    assert re.fullmatch(r"[0-9a-f]{64}", digest)


def test_the_digest_takes_less_than_20_ms():
    def seconds() -> float:
        begin = time.process_time()
        code_digest.__wrapped__()
        return time.process_time() - begin

    assert min(seconds() for _ in range(5)) < 0.02


def test_settings_are_the_same_whatever_their_order_and_layout():
    one = history.settings_digest("a: 1e-3\nb: {c: [1, 2]}\n")
    assert one == history.settings_digest("# a note\nb:\n  c:\n  - 1\n  - 2\na: 0.001\n")
    assert one != history.settings_digest("a: 1e-3\nb: {c: [2, 1]}\n")


@pytest.fixture
def begun(tmp_path: Path, small_config) -> Path:
    """The folder of a run that has begun, with a checkpoint of step 20."""
    with RunDirectory(tmp_path / "run", small_config()) as directory:
        directory.begin({})
    (tmp_path / "run" / "checkpoints" / "20").mkdir(parents=True)
    return tmp_path / "run"


def test_a_run_has_one_id_and_no_other_has_it(begun: Path, tmp_path: Path, small_config):
    first = read_history(begun).run_id
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    with RunDirectory(begun, small_config()) as directory:
        directory.begin({})
        assert directory.history.run_id == first
    with RunDirectory(tmp_path / "other", small_config()) as directory:
        directory.begin({})
        assert directory.history.run_id not in ("", first)


def test_other_code_is_refused_unless_it_is_permitted_and_then_recorded(
    begun: Path, small_config, monkeypatch: pytest.MonkeyPatch
):
    own = code_digest()
    monkeypatch.setattr(history, "code_digest", lambda: "f" * 64)
    monkeypatch.setattr("icl.records.run_directory.code_digest", lambda: "f" * 64)
    before = (begun / "events.jsonl").read_bytes()
    with (
        refused(f"--out = {begun}", own[:12], "f" * 12, "--other-code"),
        RunDirectory(begun, small_config()),
    ):
        pass
    assert (begun / "events.jsonl").read_bytes() == before
    with RunDirectory(begun, small_config(), other_code=True) as directory:
        (note,) = directory.notes
        assert "other source code" in note
        directory.begin({})
    with RunDirectory(begun, small_config()) as directory:  # what trained last goes on unasked
        assert directory.notes == []
        (begun / "metrics.jsonl").write_text("")
        directory.finish({"step": 40})
    summary = json.loads((begun / "summary.json").read_text())
    assert summary["code"] == [{"digest": own, "step": 0}, {"digest": "f" * 64, "step": 20}]
    monkeypatch.undo()
    with RunDirectory(begun, small_config()) as directory:  # finished: nothing more is trained
        assert directory.is_finished


def test_without_a_checkpoint_any_code_begins_anew(
    begun: Path, small_config, monkeypatch: pytest.MonkeyPatch
):
    (begun / "checkpoints" / "20").rmdir()
    monkeypatch.setattr(history, "code_digest", lambda: "f" * 64)
    with RunDirectory(begun, small_config()) as directory:
        assert directory.notes == []


def test_a_summary_of_one_code_is_as_ever(begun: Path, small_config):
    with RunDirectory(begun, small_config()) as directory:
        directory.begin({})
        (begun / "metrics.jsonl").write_text("")
        directory.finish({"step": 40})
    assert set(json.loads((begun / "summary.json").read_text())) == {"step", "metrics_sha256"}


def test_code_that_was_not_recorded_goes_on_with_a_line(begun: Path, small_config):
    write_events(begun, {"event": "start", "icl": "0.1.0"})
    with RunDirectory(begun, small_config()) as directory:
        (note,) = directory.notes
        assert "not recorded" in note
        directory.begin({})
    assert read_history(begun).codes == (Code(None, 0), Code(code_digest(), 20))


def test_an_edited_config_is_refused(begun: Path, small_config):
    config = begun / "config.yaml"
    text = config.read_text()
    assert "p_bursty: 0.9" in text
    config.write_text(text.replace("p_bursty: 0.9", "p_bursty: 0.75"))
    with (
        refused(f"{config}", "edited", "--out"),
        RunDirectory(begun, small_config("data.p_bursty=0.75")),
    ):
        pass
    config.write_text("# as it was\n" + text)
    with RunDirectory(begun, small_config()):
        pass
    # A run that began before the digest was recorded goes on, and has it from then on.
    write_events(begun, {"event": "start", "icl": "0.1.0"})
    config.write_text(text.replace("p_bursty: 0.9", "p_bursty: 0.75"))
    with RunDirectory(begun, small_config("data.p_bursty=0.75")) as directory:
        directory.begin({})
    config.write_text(text)
    with refused(f"{config}", "edited"), RunDirectory(begun, small_config()):
        pass
