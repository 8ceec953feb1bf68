"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """Bad input: the message names the field or file, the value, and what is allowed.

    Each argument is one line. Commands print the lines without a stack trace and end with
    exit code 2.
    """

    def __init__(self, *lines: str):
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(self.args)
