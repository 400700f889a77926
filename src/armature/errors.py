"""Errors that are the user's to mend: shown as a message without a traceback, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Something asked for cannot be done; the message says what was asked, what was found and what to do."""


class ConfigError(UserError):
    """A config or command line that cannot be composed or built."""


class DataError(UserError):
    """A data set that cannot be read as it is; the message names the file and the field."""
