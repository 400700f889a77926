"""Every command that a page shows can be typed: its verb, keys, options and make targets exist."""

from __future__ import annotations

import functools
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from armature import cli, verb_help
from armature.configuration import compose, expand
from armature.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "DESIGN.md", ROOT / "slurm/README.md"]
PAGES += sorted(p for folder in ("src", "docs", "experiments") for p in (ROOT / folder).rglob("*.md"))
PAGES += sorted((ROOT / "conf" / "experiment").glob("*.yaml"))


def commands(text: str) -> Iterator[tuple[int, str]]:
    """(line, command) of every ``armature`` and ``make`` call in bash and console blocks and in YAML comments.

    In a console block only lines behind a prompt are commands; continued lines are one.
    """
    block, pending, start = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            block = "" if block else fence[1] or "text"
            continue
        comment = re.match(r"#\s+(?:[\w ]+:\s*)?(armature .*)", line)
        prompt = re.match(r"\s*\$ (.*)", line)
        content = line if block in ("bash", "sh") else prompt[1] if prompt and block == "console" else None
        content = comment[1] if comment and not block else content
        if content is None and not pending:
            continue
        content, start = content if content is not None else line, start if pending else number
        if content.rstrip().endswith("\\"):
            pending += content.rstrip()[:-1] + " "
            continue
        yield from ((start, c) for c in calls(pending + content))
        pending = ""


def calls(line: str) -> Iterator[str]:
    """The ``armature`` and ``make`` calls of a shell line, without comments, redirections and variables before them."""
    for piece in re.split(r"\s(?:&&|\|\||[|;])\s", line):
        words = re.split(r"\s(?:[12]?>|<\s)|\s+#", piece.strip())[0].strip()
        words = re.sub(r"^(\w+=\S+\s+)+", "", words)
        if re.match(r"(armature|make)(\s|$)", words):
            yield words


def problem(command: str) -> str:
    """Why a command cannot be typed; "" if it can. Nothing is run: configs are composed, targets looked up."""
    words = shlex.split(command)
    try:
        return _make_problem(words[1:]) if words[0] == "make" else _armature_problem(words[1:])
    except UserError as error:
        return str(error)


def _make_problem(words: list[str]) -> str:
    known = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M)
    unknown = [word for word in words if "=" not in word and not word.startswith("-") and word not in known]
    given = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
    if unknown:
        return f"no target {unknown[0]} in the Makefile; targets: {known}"
    return _armature_problem(["train", *shlex.split(given[0])]) if given and "train" in words else ""


def _armature_problem(words: list[str]) -> str:
    request = cli.parse(words)
    if request.verb and request.verb not in verb_help.verbs():
        return f"no verb '{request.verb}'"
    if not request.verb or request.help:
        return "" if request.help or request.version else "no verb"
    folders = [folder for folder in request.config_dirs if Path(folder).is_dir()]
    if len(folders) < len(request.config_dirs):  # the reader's own configs: test_extension follows such a page
        return ""
    for overrides in expand(request.overrides, folders)[:3] if request.multirun else [request.overrides]:
        compose(request.verb, [_of_the_reader(override) for override in overrides], folders)
    return ""


def _of_the_reader(override: str) -> str:
    """The same, with a folder of labels that exists where a page speaks of the reader's own: composing reads it."""
    name, _, path = override.partition("=")
    return f"{name}={_labels()}" if name == "data.path" and not Path(path).exists() else override


@functools.cache
def _labels() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="labels"))
    (folder / "labels.csv").write_text("file,width,height,left_ear_x,left_ear_y\na.png,64,48,1,2\n")
    return folder


def _page(path: Path) -> ParameterSet:
    """The first page is for the fast part: composing what all of them say takes a quarter of a minute."""
    marks = () if path == ROOT / "README.md" else pytest.mark.slow
    return pytest.param(path, id=str(path.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [_page(p) for p in PAGES if p.is_file()])
def test_every_command_on_a_page_can_be_typed(page: Path) -> None:
    found = [(line, command, problem(command)) for line, command in commands(page.read_text())]
    wrong = [f"{page.relative_to(ROOT)}:{line}: {command}\n    {why}" for line, command, why in found if why]
    assert not wrong, "\n".join(wrong)


def test_the_readme_shows_commands() -> None:
    shown = [command for _, command in commands((ROOT / "README.md").read_text())]
    assert any(command.startswith("make train") for command in shown)
    assert any(command.startswith("armature ") for command in shown)


@pytest.mark.long
@pytest.mark.parametrize("verb", sorted(verb_help.verbs()))
def test_every_example_in_help_can_be_typed(verb: str) -> None:
    examples = verb_help.constants(verb_help.verbs()[verb]).get("EXAMPLES")
    assert isinstance(examples, str)
    typed = [command for line in examples.strip().splitlines() for command in calls(line)]
    assert typed and [why for command in typed for why in [problem(command)] if why] == []


PAGE = """
# Page
armature nosuch  (prose)

```bash
make train   # the default
WANDB_MODE=offline armature train seed=2 \\
    optimizer=sgd > log.txt
pip install armature && armature --help | head
```

```console
$ armature system runs=x
ready to train
```

```yaml
# armature nosuch in another language's block
```
"""


def test_commands_are_found_where_they_stand() -> None:
    assert list(commands(PAGE)) == [
        (6, "make train"),
        (7, "armature train seed=2      optimizer=sgd"),
        (9, "armature --help"),
        (13, "armature system runs=x"),
    ]
    assert [problem(command) for _, command in commands(PAGE)] == [""] * 4
    assert list(commands("# Command: armature train seed=1\n# text\nseed: 2")) == [(1, "armature train seed=1")]


@pytest.mark.parametrize(
    "command",
    [
        "armature tarin",
        "armature train sed=1",
        "armature train optimizer=adamww",
        "armature train --nosuch",
        "armature train seed",
        "armature train -m seed=1,2 sed=1",
        "armature",
        "make tarin",
        "make train ARGS='sed=1'",
    ],
)
def test_a_wrong_command_is_noticed(command: str) -> None:
    assert problem(command)
