"""The programs of a sweep, kept while its jobs need them."""

import math
from threading import Lock

from icl.config import AnyConfig
from icl.config.traced import program_of
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.problems.memory import check_memory
from icl.runs.engines.base import Compilations

MAX_PROGRAMS = 2  # kept at a time, each with its exemplars on the device


class ProgramCache:
    """Recent programs, with the functions that engines compiled. Threads may share it.

    It also notes how many cells of a program did not fit into memory together.
    """

    def __init__(self, max_programs: int = MAX_PROGRAMS):
        self._max_programs = max_programs
        self._making, self._noting = Lock(), Lock()
        self._programs: dict[str, tuple[Program, Compilations]] = {}
        self._too_many: dict[str, int] = {}  # by program, the fewest cells that did not fit

    def get(self, config: AnyConfig) -> tuple[Program, Compilations]:
        """The program of a config, kept or made now. If too many are kept, the oldest is dropped.

        Raises UserError where its data are missing or broken, or where it cannot fit into memory.
        """
        name = program_of(config)
        with self._making:  # a second thread that needs the program waits for the first
            if name not in self._programs:
                while len(self._programs) >= self._max_programs:
                    del self._programs[next(iter(self._programs))]
                check_memory(config)
                self._programs[name] = load_program(config), Compilations()
            return self._programs[name]

    def may_fit(self, config: AnyConfig, count: int) -> bool:
        """Whether this many cells of a config's program may fit into memory."""
        return count < self._too_many.get(program_of(config), math.inf)

    def note_too_many(self, config: AnyConfig, count: int) -> None:
        """Note that so many cells of a config's program did not fit into memory."""
        name = program_of(config)
        with self._noting:
            self._too_many[name] = min(count, self._too_many.get(name, count))
