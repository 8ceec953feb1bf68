"""Errors that end a run early: mistakes that a user can mend, and signals."""


class UserError(Exception):
    """Bad input. The message names the field or file, the value, and what is allowed.

    Each argument is one line. Commands print the lines without a stack trace and exit with
    code 2.
    """

    def __init__(self, *lines: str):
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(self.args)


class Interrupted(Exception):
    """Raised after Ctrl+C or SIGTERM, once the state is saved.

    number: the number of the signal.
    step: the step that the run will go on from; 0 if there was nothing to save yet.
    """

    def __init__(self, number: int, step: int):
        super().__init__(number, step)
        self.number, self.step = number, step


def one_line(error: BaseException) -> str:
    """The type and the message of an error, as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
