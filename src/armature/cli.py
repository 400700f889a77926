"""The command line: ``armature VERB [key=value ...]``. Imports nothing heavy; each verb does that for itself."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from armature import verb_help
from armature.errors import ConfigError, Interrupted, UserError

USER_ERROR, OUR_ERROR, INTERRUPTED = 2, 1, 130


@dataclass
class Request:
    """A command line taken apart; nothing in it has been checked against configs yet."""

    verb: str = ""
    words: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    config_dirs: list[str] = field(default_factory=list)
    allow: list[str] = field(default_factory=list)
    help: bool = False
    version: bool = False
    multirun: bool = False
    dry_run: bool = False
    preflight: bool = False

    def options(self) -> list[str]:
        """The options as a child process needs them."""
        folders = [part for folder in self.config_dirs for part in ("--config-dir", folder)]
        allowed = [part for prefix in self.allow for part in ("--allow", prefix)]
        return folders + allowed + (["--preflight"] if self.preflight else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 2 the user's mistake (one message), 1 ours (a traceback), 128 + signal when stopped."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(parse(arguments), ["armature", *arguments])
    except UserError as error:
        _complain(error)
        return USER_ERROR
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `armature ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parse(arguments: Sequence[str]) -> Request:
    """The parts of a command line.

    Raises:
        ConfigError: an option that does not exist, or lacks its value.
    """
    request, rest = Request(), list(arguments)
    flags = {"-h": "help", "--help": "help", "--version": "version", "-m": "multirun", "--multirun": "multirun"}
    flags |= {"--dry-run": "dry_run", "--preflight": "preflight"}
    lists = {"--config-dir": request.config_dirs, "--allow": request.allow}
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in flags:
            setattr(request, flags[word], True)
        elif name in lists:
            if not equals and not rest:
                raise ConfigError(f"{name} needs a value")
            lists[name].append(value if equals else rest.pop(0))
        elif word.startswith("-"):
            raise ConfigError(f"no option {word}{_near(name, [*flags, *lists])}; see armature --help")
        elif not request.verb and not equals:
            request.verb = word
        elif not equals and not word.startswith("~"):
            request.words.append(word)
        else:
            request.overrides.append(word)
    return _settled(request)


def _settled(request: Request) -> Request:
    """The same request with its further words where they belong.

    ``armature data sigmas`` is the verb ``data_sigmas``; elsewhere words are values of the key that the verb's WORDS
    names (``armature compare A B``), or else mistaken overrides, which composing complains about.
    """
    if request.words and (two := f"{request.verb}_{request.words[0]}") in verb_help.verbs():
        request.verb, request.words = two, request.words[1:]
    if (one := request.verb.replace("-", "_")) in verb_help.verbs():  # import-weights
        request.verb = one
    key = verb_help.words_key(request.verb)
    if key and request.words:
        listed = ",".join("'" + word.replace("'", "\\'") + "'" for word in request.words)
        request.overrides.append(f"{key}=[{listed}]")
    else:
        request.overrides += request.words
    return request


def _dispatch(request: Request, command: list[str]) -> int:
    if request.version:
        print(f"armature {version()}")
    elif request.verb and request.verb not in verb_help.verbs():
        raise ConfigError(_unknown(request.verb))
    elif request.help and request.verb:
        print(verb_help.of(request.verb, [Path(folder) for folder in request.config_dirs]))
    elif request.help or not request.verb:
        if request.overrides:
            raise ConfigError(f"'{request.overrides[0]}' stands where a verb is expected: armature VERB key=value ...")
        print(verb_help.program())
        return 0 if request.help else USER_ERROR
    elif request.multirun:
        _prepare(request)  # runs are tried in this process before they are queued
        return importlib.import_module("armature.multirun").run(request)
    else:
        return _run(request, command)
    return 0


def _run(request: Request, command: list[str]) -> int:
    _prepare(request)
    if request.preflight:
        return _preflight(request)
    from armature import crew, ranks
    from armature.configuration import compose

    distributed = verb_help.is_distributed(request.verb)
    if distributed and ranks.follows():  # the first rank composes, the others are given what it has composed
        return int(importlib.import_module(f"armature.verbs.{request.verb}").follow())
    with crew.leading(distributed):
        config, overrides = compose(request.verb, request.overrides, request.config_dirs), request.overrides
        if verb_help.is_launched(request.verb):
            from armature import launching

            if (code := launching.launch(request, config)) is not None:
                return code
            overrides = launching.without_launcher(overrides)
        elif request.dry_run and "launcher" not in config:
            raise ConfigError(
                f"armature {verb_help.spoken(request.verb)} makes no job whose script --dry-run could show"
            )
        verb = importlib.import_module(f"armature.verbs.{request.verb}")
        return int(verb.run(config, overrides, command))


def _preflight(request: Request) -> int:
    """Tries what a run begins with, in place of the run; 0 if it could start."""
    from armature.configuration import compose

    config = compose(request.verb, request.overrides, request.config_dirs)
    if "model" not in config or "trainer" not in config:
        raise ConfigError(f"armature {verb_help.spoken(request.verb)} trains nothing that --preflight could try")
    from armature import launching
    from armature.preflight import preflight, table

    found = preflight(config, request.overrides, room=launching.room(config))
    table.show(found)
    return 0 if found.passed else USER_ERROR


def version() -> str:
    """The installed version, or "unknown" in a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("armature")
    except PackageNotFoundError:
        return "unknown"


def _prepare(request: Request) -> None:
    _allow(request.allow)
    _quiet()


def _allow(prefixes: Sequence[str]) -> None:
    """Into the environment, so that the processes of a distributed run allow the same."""
    if prefixes:
        before = os.environ.get("ARMATURE_ALLOW", "")
        os.environ["ARMATURE_ALLOW"] = ",".join([*([before] if before else []), *prefixes])


def _quiet() -> None:
    """Silences advertisements and warnings that are nobody's to act on; our own messages say what matters."""
    import logging
    import warnings

    # A warning is for the user: the line of our code that noticed it says nothing to them.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    logging.getLogger().addFilter(lambda record: "Images sizes do not match" not in record.getMessage())
    for message in (
        r".*`srun` command is available.*",
        r".*does not have many workers.*",
        r".*smaller than the logging interval.*",
        r".*Checkpoint directory .* exists and is not empty.*",
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*You have overridden `on_after_batch_transfer`.*",
        r".*It is recommended to use `self\.log.*sync_dist=True.*",  # every process computes the same numbers
    ):
        warnings.filterwarnings("ignore", message=message)


def _unknown(verb: str) -> str:
    known = [verb_help.spoken(name) for name in verb_help.verbs()]
    if longer := [name for name in known if name.startswith(f"{verb} ")]:
        return f"'{verb}' needs one more word: {', '.join(longer)}"
    return f"no verb '{verb}'{_near(verb, known)}; verbs: {', '.join(known)}"


def _near(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f", did you mean '{close[0]}'?" if close else ""


def _complain(error: UserError) -> None:
    label = "\033[1;31merror:\033[0m" if sys.stderr.isatty() and "NO_COLOR" not in os.environ else "error:"
    print(label, error, file=sys.stderr)
    if os.environ.get("ARMATURE_TRACEBACK"):
        raise error
