"""Errors that are the user's to mend: shown as a message without a traceback, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Something asked for cannot be done; the message says what was asked, what was found and what to do."""


class ConfigError(UserError):
    """A config or command line that cannot be composed or built."""


class DataError(UserError):
    """A data set that cannot be read as it is; the message names the file and the field."""


class Interrupted(Exception):
    """A run that was asked to stop (Ctrl-C, SIGTERM) and has put its state away; the message says how to go on.

    Args:
        message: for the user, with the command that goes on.
        code: exit code of the program: 128 + the signal's number.
    """

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code
