"""What is shown while Python users wait: lines in a script, one live line in a notebook."""

import html
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from icl.records.run_directory import RunDirectory
from icl.runs.progress import Progress, scores_of
from icl.sweeps.progress import Ended, SweepProgress


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def is_interactive() -> bool:
    """Whether a person types the commands of this process."""
    ipython = sys.modules.get("IPython")
    return hasattr(sys, "ps1") or bool(ipython and ipython.get_ipython())


class LiveText:
    """One line of a notebook's output that changes."""

    def __init__(self) -> None:
        from IPython.display import display

        self._handle = display(self._bundle(""), raw=True, display_id=True)

    def show(self, text: str, share: float | None = None) -> None:
        """Replace the line. share: of the work that is done, for a bar; None: no bar."""
        self._handle.update(self._bundle(text, share), raw=True)

    @staticmethod
    def _bundle(text: str, share: float | None = None) -> dict[str, str]:
        bar = "" if share is None else f'<progress value="{share:.4f}" max="1"></progress> '
        return {"text/plain": text, "text/html": f"<code>{bar}{html.escape(text)}</code>"}


class LibraryProgress(Progress):
    """Progress of one run, on standard error; the object that the caller gets holds the result."""

    def finished(self, summary: dict[str, Any], path: Path) -> None:
        """Print one line."""
        self.say(f"finished at step {summary['step']}")


class NotebookProgress(LibraryProgress):
    """Progress of one run in one live line of a notebook."""

    def __init__(self) -> None:
        super().__init__()
        self._live, self._num_steps, self._seen = LiveText(), 1, ""

    def say(self, text: str) -> None:
        self._live.show(text)

    @contextmanager
    def training(self, num_steps: int) -> Iterator[None]:
        self._num_steps = num_steps
        self.say("compiling ...")
        yield

    def advance(self, step: int, loss: float) -> None:
        text = f"step {step} of {self._num_steps}  loss {loss:.2f}  {self._seen}"
        self._live.show(text, step / self._num_steps)

    def evaluated(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        self._seen = scores_of(directory.config, record)
        self._live.show(f"step {record['step']}  {self._seen}", record["step"] / self._num_steps)

    def finished(self, summary: dict[str, Any], path: Path) -> None:
        self._live.show(f"finished at step {summary['step']}  {self._seen}", 1.0)


class LibrarySweepProgress(SweepProgress):
    """Progress of a sweep, on standard error."""

    def finished(self, where: str) -> Ended:
        """Report cells that diverged; the object that the caller gets holds the rest."""
        ended = self.ended()
        for cell in ended.get("diverged", []):
            self.say(f"diverged: {cell.text}")
        return ended


class NotebookSweepProgress(LibrarySweepProgress):
    """Progress of a sweep in one live line of a notebook."""

    def __init__(self) -> None:
        super().__init__()
        self._live = LiveText()

    def say(self, text: str) -> None:
        self._live.show(text)

    def look(self) -> None:
        super().look()
        self._live.show(f"{self._counts()}  {self._time_left()}", self._share)


def run_progress(is_shown: bool) -> Progress:
    """The progress of a run for where this process runs; silent where it is not to be shown."""
    if is_shown and is_notebook():
        return NotebookProgress()
    progress = LibraryProgress()
    progress.console.quiet = not is_shown
    return progress


def sweep_progress(is_shown: bool) -> SweepProgress:
    """The progress of a sweep, see `run_progress`."""
    if is_shown and is_notebook():
        return NotebookSweepProgress()
    progress = LibrarySweepProgress()
    progress.console.quiet = not is_shown
    return progress
