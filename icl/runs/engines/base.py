"""What every engine gives: the functions of runs that are computed together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax.numpy as jnp

from icl.problems.base import Program
from icl.training.step import TrainState

Scores = dict[str, dict[str, Any]]


Lanes = Any  # the states of all runs, in a form that only the pack's own functions know


class Pack(NamedTuple):
    """The functions of runs that go together; all are at the same step.

    place: states of single runs, in order, to lanes.
    train: (lanes, step) to lanes after that many steps in all; gives up those given. Waits.
    evaluate: lanes to the scores of each, on the host.
    fetch: lanes to the state of each, on the host.
    begin_record: lanes with the running sums of the record at zero.
    progress: lanes to the first step that was not finite (0: none) and the mean loss, of each.
    agree: a number to that of the first of all processes that compute the pack.
    memory: bytes that training takes on each device; 0 where it is not known beforehand.
    """

    place: Callable[[Sequence[TrainState]], Lanes]
    train: Callable[[Lanes, int], Lanes]
    evaluate: Callable[[Lanes], list[Scores]]
    fetch: Callable[[Lanes], list[TrainState]]
    begin_record: Callable[[Lanes], Lanes]
    progress: Callable[[Lanes], list[tuple[int, float]]]
    agree: Callable[[int], int] = lambda number: number
    memory: int = 0


_called: WeakKeyDictionary[Program, set[str]] = WeakKeyDictionary()


_calling = Lock()


@contextmanager
def first_call(program: Program, name: str) -> Iterator[None]:
    """Threads that run the same program wait while the first of them compiles it."""
    if name in _called.get(program, ()):
        yield
        return
    with _calling:
        yield
        _called.setdefault(program, set()).add(name)


def memory_of(compiled: Any) -> int:
    """Bytes of a compiled program: its arguments, and what it needs beside; 0: not known."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes if analysis else 0


def begin_record(state: TrainState) -> TrainState:
    zeros = jnp.zeros_like(state.loss_sum), jnp.zeros_like(state.loss_count)
    return state._replace(loss_sum=zeros[0], loss_count=zeros[1])


def running_sums(state: TrainState) -> tuple[Any, Any, Any]:
    return state.bad_step, state.loss_sum, state.loss_count


def progress_of(sums: tuple[Any, Any, Any]) -> tuple[int, float]:
    bad_step, loss_sum, loss_count = sums
    return int(bad_step), float(loss_sum) / max(int(loss_count), 1)
