"""YAML and diffs with light colouring, as escaped HTML."""

from __future__ import annotations

import re

from markupsafe import Markup

_KEY = re.compile(r"^(\s*(?:- )*)([^\s#:'\"][^:#]*?|'[^']*'|\"[^\"]*\")(:)(?=\s|$)(.*)$")
_NUMBER = re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_WORDS = {"true", "false", "null", "yes", "no", "~"}
_DIFF = {"+": "add", "-": "del", "@": "hunk"}


def yaml(text: str) -> Markup:
    """YAML with keys, numbers, words and comments marked; anything not understood is left plain."""
    return Markup("\n").join(_yaml_line(line) for line in text.rstrip().splitlines())


def diff(text: str) -> Markup:
    """A unified diff with added and removed lines marked."""
    return Markup("\n").join(_diff_line(line) for line in text.rstrip().splitlines())


def _yaml_line(line: str) -> Markup:
    if line.lstrip().startswith("#"):
        return _span("c", line)
    found = _KEY.match(line)
    if found is None:
        lead = re.match(r"^\s*(?:- )*", line)
        start = lead.end() if lead else 0
        return Markup("{}{}").format(line[:start], _value(line[start:]))
    indent, key, colon, rest = found.groups()
    return Markup("{}{}{}{}").format(indent, _span("k", key), colon, _value(rest))


def _value(text: str) -> Markup:
    before, mark, comment = text.partition(" #")
    if mark and not before.lstrip().startswith(("'", '"')):
        return Markup("{}{}").format(_value(before), _span("c", mark + comment))
    bare = text.strip()
    if _NUMBER.match(bare) or bare.lower() in _WORDS:
        return _span("n", text)
    return Markup("{}").format(text)


def _diff_line(line: str) -> Markup:
    header = line.startswith(("+++", "---", "diff "))
    kind = "head" if header else _DIFF.get(line[:1])
    return _span(kind, line) if kind else Markup("{}").format(line)


def _span(kind: str, text: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format(kind, text)
