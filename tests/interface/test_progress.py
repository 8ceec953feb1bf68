"""What is shown meanwhile: lines in a script, one live line in a notebook."""

import sys
import types
from pathlib import Path

import pytest

from icl.interface.progress import (
    LibraryProgress,
    NotebookProgress,
    NotebookSweepProgress,
    is_interactive,
    is_notebook,
    run_progress,
    sweep_progress,
)


class Handle:
    """A display of a notebook, which keeps all that it ever showed."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


class ZMQInteractiveShell: ...


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    """A process that looks like the kernel of a notebook; the displays that it opened."""
    opened: list[Handle] = []

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> Handle:
        opened.append(Handle())
        return opened[-1]

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = ZMQInteractiveShell
    inside = types.ModuleType("IPython.display")
    inside.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inside)
    return opened


def test_a_script_is_no_notebook():
    assert not is_notebook()
    assert not is_interactive()
    assert type(run_progress(True)) is LibraryProgress


def test_a_run_has_one_live_line(displays: list[Handle], capsys: pytest.CaptureFixture):
    assert is_notebook()
    assert is_interactive()
    progress = run_progress(True)
    assert isinstance(progress, NotebookProgress)
    progress.say("network: lstm")
    with progress.training(200):
        progress.compiled(1, 2.5)
        progress.advance(50, 0.25)
    progress.finished({"step": 200}, Path("run"))
    (live,) = displays
    assert live.shown[-2]["text/plain"].startswith("step 50 of 200  loss 0.25")
    assert '<progress value="0.2500" max="1">' in live.shown[-2]["text/html"]
    assert live.shown[-1]["text/plain"].startswith("finished at step 200")
    assert capsys.readouterr() == ("", "")


def test_what_is_shown_is_text_and_no_markup(displays: list[Handle]):
    run_progress(True).say("<b> & co")
    assert displays[0].shown[-1]["text/html"] == "<code>&lt;b&gt; &amp; co</code>"


def test_a_sweep_has_one_live_line(displays: list[Handle]):
    progress = sweep_progress(True)
    assert isinstance(progress, NotebookSweepProgress)
    progress.say("4 cells")
    assert [handle.shown[-1]["text/plain"] for handle in displays] == ["4 cells"]


def test_silence(displays: list[Handle], capsys: pytest.CaptureFixture):
    for progress in (run_progress(False), sweep_progress(False)):
        progress.say("a line")
    assert displays == []
    assert capsys.readouterr() == ("", "")
