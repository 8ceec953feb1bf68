"""Errors that end a run early: mistakes that a user can fix, and signals."""

import difflib
from collections.abc import Iterable

MANY = 12  # names that a line still lists
LIKENESS = 0.7  # of names that may have been meant: 1 for the same


class UserError(Exception):
    """Invalid input. The message names the field or file, the value, and what is allowed.

    Each argument is one line. Commands print the lines without a stack trace and exit with
    code 2.
    """

    def __init__(self, *lines: str):
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(self.args)


class Interrupted(Exception):
    """Interruption by Ctrl+C or SIGTERM, raised after the state is saved.

    number: number of the signal.
    step: step at which the run will resume; 0 if there was nothing to save yet.
    """

    def __init__(self, number: int, step: int):
        super().__init__(number, step)
        self.number, self.step = number, step


def allowed(
    given: object, names: Iterable[str], of: str = "", page: str = "", branch: str = ""
) -> str:
    """The end of a line about a name that is not known: which may be meant, and which there are.

    of: what the names belong to, as ` of model`.
    page: the page of the docs that lists all names, if they may be more than `MANY`.
    branch: what comes before each name, as `model.`
    """
    known = list(dict.fromkeys(names))
    near = difflib.get_close_matches(str(given), known, cutoff=LIKENESS)
    question = f"did you mean {branch}{near[0]}? " if near else ""
    if not page or len(known) <= MANY:
        return f"{question}allowed{of}: {', '.join(known)}"
    few = near or known[:3]
    rest = f"{len(known) - len(few)} more ({page})"
    return f"{question}allowed{of}: {', '.join(few)} and {rest}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, cut to 200 characters; its type if there is none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def one_line(error: BaseException) -> str:
    """Format the type and message of an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
