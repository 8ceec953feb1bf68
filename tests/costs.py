"""Costs of tests: a table of the slowest ones, with the seconds that JAX spent on compiling."""

import time
from collections.abc import Iterator
from typing import Any

import jax.monitoring
import pytest

NUM_SHOWN = 20
COMPILING = "/jax/core/compile"  # tracing, lowering and compiling, in names of JAX's events
COMPILE_SECONDS = "compile_seconds"


class Compilation:
    """Seconds of tracing, lowering and compiling since the last reset.

    Tracing a function traces the functions that it calls, and JAX reports both: of intervals that
    lie within one another only the outer one counts.
    """

    def __init__(self) -> None:
        self._intervals: list[tuple[float, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._add)

    def reset(self) -> None:
        self._intervals.clear()

    def seconds(self) -> float:
        return sum(end - start for start, end in self._intervals)

    def _add(self, event: str, duration: float, **_: object) -> None:
        if not event.startswith(COMPILING):
            return
        end = time.perf_counter()
        start = end - duration
        while self._intervals and self._intervals[-1][0] >= start:
            self._intervals.pop()
        self._intervals.append((start, end))


class Costs:
    """A plugin of pytest. Workers send compile seconds along with the reports of their tests."""

    def __init__(self) -> None:
        self._compilation = Compilation()
        self._seconds: dict[str, float] = {}
        self._compiling: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._compilation.reset()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[None]:
        if call.when == "teardown":
            item.user_properties.append((COMPILE_SECONDS, self._compilation.seconds()))
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid
        self._seconds[name] = self._seconds.get(name, 0.0) + report.duration
        self._compiling[name] = dict(report.user_properties).get(COMPILE_SECONDS, 0.0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._seconds:
            return
        terminalreporter.section("slowest tests: seconds, of them compiling")
        for line in table(self._seconds, self._compiling):
            terminalreporter.write_line(line)


def table(seconds: dict[str, float], compiling: dict[str, float]) -> list[str]:
    """Lines on the slowest tests, after one on all tests together."""
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:NUM_SHOWN]
    rows = [("all tests", sum(seconds.values()), sum(compiling.values()))]
    rows += [(name, seconds[name], compiling[name]) for name in slowest]
    return [f"{total:8.1f} {part:8.1f}  {name}" for name, total, part in rows]
