"""The protocol of engines, and what engines share.

An engine computes a group of runs of one program; all of them are at the same step. The choice of
engine does not change a run: runs do not interact, and each has the same numbers as alone.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from icl.training.step import TrainState

ScoresByCondition = dict[str, dict[str, Any]]
States = Any  # the states of all runs of a group, in a form that only their engine knows


@runtime_checkable
class Engine(Protocol):
    """A way to compute a group of runs.

    memory: bytes that training takes on each device; 0 where that is not known beforehand.
    """

    memory: int

    def place(self, states: Sequence[TrainState]) -> States:
        """Put the states of single runs, in order, on the device."""
        ...

    def train(self, states: States, stop: int) -> States:
        """Train until `stop` steps have been made in all; waits. Donates the states given."""
        ...

    def evaluate(self, states: States) -> list[ScoresByCondition]:
        """Return the scores of each run, on the host."""
        ...

    def fetch(self, states: States) -> list[TrainState]:
        """Return the state of each run, on the host."""
        ...

    def begin_record(self, states: States) -> States:
        """Set the running sums of the record to zero."""
        ...

    def progress(self, states: States) -> list[tuple[int, float]]:
        """Return each run's first step that was not finite (0: none) and its mean loss."""
        ...

    def agree(self, number: int) -> int:
        """Return the number that the first process passed; all processes must call this."""
        ...


class Compilations:
    """Compiled functions of one program, kept for later groups of runs.

    Keep this together with a program that serves several groups of runs. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._called: set[str] = set()
        self._kept: dict[Hashable, Any] = {}

    @contextmanager
    def first_call(self, name: str) -> Iterator[None]:
        """Let the first caller of a function compile it while all other threads wait."""
        if name in self._called:
            yield
            return
        with self._lock:
            yield
            self._called.add(name)

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` gave when it was first called under this name."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = make()
            return self._kept[name]


def memory_of(compiled: Any) -> int:
    """Bytes of a compiled program: its arguments and its temporaries; 0 where unknown."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes if analysis else 0


def begin_record(state: TrainState) -> TrainState:
    """A state, or stacked states, with the running sums of the record at zero."""
    zeros = jnp.zeros_like(state.loss_sum), jnp.zeros_like(state.loss_count)
    return state._replace(loss_sum=zeros[0], loss_count=zeros[1])


def running_sums(state: TrainState) -> tuple[Any, Any, Any]:
    """The part of a state that `progress_of` reads."""
    return state.bad_step, state.loss_sum, state.loss_count


def progress_of(sums: tuple[Any, Any, Any]) -> tuple[int, float]:
    """The first step that was not finite (0: none) and the mean loss."""
    bad_step, loss_sum, loss_count = sums
    return int(bad_step), float(loss_sum) / max(int(loss_count), 1)


class OneRun:
    """Base of engines of a single run, whose state is the group's."""

    memory = 0

    def fetch(self, state: TrainState) -> list[TrainState]:
        return [jax.device_get(state)]

    def begin_record(self, state: TrainState) -> TrainState:
        return begin_record(state)

    def progress(self, state: TrainState) -> list[tuple[int, float]]:
        return [progress_of(jax.device_get(running_sums(state)))]
