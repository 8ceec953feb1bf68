"""What ends a run before its time: mistakes that a user can mend, and signals."""


class UserError(Exception):
    """Bad input: the message names the field or file, the value, and what is allowed.

    Each argument is one line. Commands print the lines without a stack trace and end with
    exit code 2.
    """

    def __init__(self, *lines: str):
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(self.args)


class Interrupted(Exception):
    """Raised after Ctrl+C or SIGTERM, once the state is saved.

    number: the signal's. step: where the run will go on; 0 if nothing was to be saved yet.
    """

    def __init__(self, number: int, step: int):
        super().__init__(number, step)
        self.number, self.step = number, step
