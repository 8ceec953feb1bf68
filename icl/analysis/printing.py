"""Printing that goes on when nobody reads it any more, and tables for terminals of any width."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A pipe whose reader has ended, as in `| head -1`; a terminal that is gone.
GONE = (errno.EPIPE, errno.EIO)


class Printer(Console):
    """A console that falls silent when its reader is gone. Rich's own would end the process."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        _silence(self.file)


class _Unbroken:
    """A text stream that drops what it is given once its reader is gone."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._dropped(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._dropped(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _dropped(self, error: OSError) -> None:
        if error.errno not in GONE:
            raise error
        _silence(self._stream)


@contextmanager
def unbroken_streams() -> Iterator[None]:
    """Let a process go on when nobody reads its standard output or error, or if they are closed.

    A closed one is opened on the null device: otherwise the next file that is opened would take its
    number, and whatever libraries print would go into that file.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    found = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as null_file:
        sys.stdout, sys.stderr = (_Unbroken(stream or null_file) for stream in found)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(ValueError):  # closed
                    stream.flush()
            sys.stdout, sys.stderr = found


def print_table(console: Console, table: Table) -> None:
    """Print a table, or the same as lines where the console has no room for its longest words."""
    unlimited = console.options.update(width=10_000)
    if console.measure(table, options=unlimited).minimum <= console.width:
        console.print(table)
        return
    for line in _lines(table):
        console.print(line, markup=False, soft_wrap=True)


def _lines(table: Table) -> Iterator[str]:
    """The title, and for each row its first cell and then the others, each after its header."""
    if table.title:
        yield _plain(table.title)
    headers = [_plain(column.header) for column in table.columns]
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    for first, *others in zip(*columns, strict=True):
        yield f"{headers[0]} {first}".strip()
        for header, cell in zip(headers[1:], others, strict=True):
            yield f"  {header} {cell}".rstrip() if header else f"  {cell}"
    if table.caption:
        yield _plain(table.caption)
    yield ""


def _plain(cell: Any) -> str:
    return Text.from_markup(cell).plain if isinstance(cell, str) else str(cell)


def _silence(stream: Any) -> None:
    """Send what a stream still holds, and all that follows, to the null device."""
    with suppress(OSError, ValueError, AttributeError):  # a stream may have no file
        descriptor = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
