"""Every YAML in conf/ is a call that works: its target exists, takes these parameters, and everything composes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from armature import config_folders
from armature.building import bind, locate, targets
from armature.configuration import compose
from armature.errors import ConfigError

CONF = config_folders.project()
GROUPS = config_folders.groups()
FILES = sorted(file.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml"))
DEFAULT = next(
    d["architecture"] for d in yaml.safe_load((CONF / "train.yaml").read_text())["defaults"] if "architecture" in d
)
VERBS = [file for file in FILES if "/" not in file]
#: Hydra's own words in a node; the rest are parameters.
WORDS = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")
#: Parameters that the verbs hand over when they build a top-level node, because no config can know them.
HANDED_OVER = {"logger": {"folder"}}


def problems(config: Any, whole: bool) -> list[str]:
    """What is wrong with the calls in a plain config.

    ``whole``: it is a composed config, where nothing may be missing. In one file alone parameters may be missing,
    because others add them, but none may be unknown.
    """
    found = []
    for key, node in targets(config):
        try:
            function = locate(node["_target_"], key)
        except ConfigError as error:
            found.append(str(error))
            continue
        given = dict.fromkeys(HANDED_OVER.get(key.split(".")[0], ())) if whole else {}
        given |= {name: value for name, value in node.items() if name not in WORDS}
        partial = not whole or bool(node.get("_partial_"))
        problem = bind(function, tuple(node.get("_args_", ())), given, partial)
        if problem:
            found.append(f"{key or 'top'}: {node['_target_']}: {problem}")
    return found


def header_problem(text: str) -> str:
    """Hydra reads ``# @package`` before any other line only, and is silent about one that stands lower."""
    lines = text.splitlines()
    late = [n for n, line in enumerate(lines, 1) if n > 1 and re.match(r"\s*#\s*@package", line)]
    return f"line {late[0]}: '@package' must be the first line" if late else ""


def plain(overrides: list[str]) -> dict[str, Any]:
    return OmegaConf.to_container(compose("train", overrides), resolve=True)  # type: ignore[return-value]


@pytest.mark.parametrize("file", FILES)
def test_every_file_names_targets_that_exist_and_parameters_that_they_take(file: str) -> None:
    text = (CONF / file).read_text()
    assert not header_problem(text), f"conf/{file}: {header_problem(text)}"
    content = yaml.safe_load(text)
    content.pop("defaults", None)  # a key of Hydra, gone once the config is composed
    assert problems(content, whole=False) == []


def places() -> Iterator[tuple[str, str]]:
    """(group as it is overridden, option): ``optimizer``, ``term@loss.size``, ... for everything in conf/."""
    slots: dict[str, str] = {}
    # The default architecture's slots first: they are there without asking for another one.
    for file in sorted(FILES, key=lambda file: file != f"architecture/{DEFAULT}.yaml"):
        for group, package in re.findall(
            r"^\s*-\s*(?:override\s+)?/?([\w/]+)@([\w.]+):", (CONF / file).read_text(), re.M
        ):
            slots.setdefault(group, package)
    slots.pop("skeleton", None)  # train.yaml has the one that matters; data sets of several have others besides
    for group, options in GROUPS.items():
        if group not in ("experiment", "recipe", "sweep", "skeleton/of"):  # the last comes with data=folder
            where = f"{group}@{slots[group]}" if group in slots else group
            yield from ((where, option) for option in options)


def beside(group: str, option: str, folder: Path) -> list[str]:
    """What an option cannot do without: data=folder reads its skeleton from the data, boxes are jittered for a crop."""
    if group.startswith("box_jitter@"):
        return ["architecture=posted_tiny"]
    if (group, option) != ("data", "folder"):
        return []
    (folder / "labels.csv").write_text("file,width,height,left_ear_x,left_ear_y\na.png,64,48,1,2\n")
    return [f"data.path={folder}"]


@pytest.mark.long
@pytest.mark.parametrize(("group", "option"), list(places()))
def test_every_option_composes_with_train_into_calls_that_lack_nothing(group: str, option: str, tmp_path: Path) -> None:
    more = beside(group, option, tmp_path)
    try:
        config = plain([f"{group}={option}", *more])
    except ConfigError:  # a group that no default names yet
        config = plain([f"+{group}={option}", *more])
    assert problems(config, whole=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS.get("experiment", []))
def test_every_experiment_composes_and_only_overrides(name: str) -> None:
    file = CONF / "experiment" / f"{name}.yaml"
    text, content = file.read_text(), yaml.safe_load(file.read_text())
    assert text.startswith("# @package _global_"), f"{file.name}: the first line must be '# @package _global_'"
    assert not any("experiment" in str(d) for d in content.get("defaults", [])), "experiments do not inherit"
    config = plain([f"experiment={name}"])
    assert problems(config, whole=True) == []
    choices = [
        f"{k.removeprefix('override /') if k.startswith('override') else k.replace('/', '+', 1)}={v}"
        for d in content.get("defaults", [])
        if isinstance(d, dict)
        for k, v in d.items()
    ]
    strange = set(content) - {"defaults"} - set(plain(choices))
    assert not strange, f"{file.name} sets keys that nothing reads: {sorted(strange)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS["recipe"])
def test_every_recipe_is_used_by_the_pair_that_it_names_and_by_no_other_optimizer(name: str) -> None:
    optimizer, architecture = name.split("_", 1)
    chosen = [f"architecture={architecture}", f"optimizer={optimizer}"]
    config, own = plain(chosen), plain([f"optimizer={optimizer}"])
    assert problems(config, whole=True) == []
    for key, value in yaml.safe_load((CONF / "recipe" / f"{name}.yaml").read_text())["optimizer"].items():
        assert config["optimizer"][key] == value != own["optimizer"][key]
        assert plain([*chosen, f"optimizer.{key}={value * 2}"])["optimizer"][key] == value * 2
    for other in set(GROUPS["optimizer"]) - {optimizer}:
        assert plain([chosen[0], f"optimizer={other}"])["optimizer"] == plain([f"optimizer={other}"])["optimizer"]


@pytest.mark.parametrize("file", VERBS)
def test_every_verb_has_a_module_and_a_config(file: str) -> None:
    folder = Path(__file__).resolve().parents[1] / "src" / "armature" / "verbs"
    assert (folder / file.replace(".yaml", ".py")).is_file(), f"conf/{file} belongs to no verb"


def test_every_skeleton_is_built_and_named_after_its_file() -> None:
    from armature.skeletons import load

    for name in GROUPS["skeleton"]:
        assert load(CONF / "skeleton" / f"{name}.yaml").name == name


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("{_target_: torch.nn.Conv2d, in_channels: 3, out_channels: 8, kernel: 3}", False),
        ("{_target_: torch.nn.Conv2d, in_channels: 3}", True),
        ("{_target_: torch.nn.Conv3dd}", False),
        ("{_target_: nosuch.Thing}", False),
        ("a: {b: [{_target_: torch.nn.ReLU, inplac: true}]}", False),
        ("{_target_: torch.optim.SGD, _partial_: true, learning_rate: 1}", False),
        ("{_target_: os.system, command: ls}", False),
    ],
)
def test_a_broken_config_is_noticed(text: str, whole: bool) -> None:
    assert problems(yaml.safe_load(text), whole)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("{_target_: torch.nn.Conv2d, in_channels: 3}", False),
        ("{_target_: torch.nn.Conv2d, in_channels: 3, out_channels: 8, kernel_size: 3}", True),
        ("{_target_: torch.optim.SGD, _partial_: true, lr: 1}", True),
    ],
)
def test_a_sound_config_passes(text: str, whole: bool) -> None:
    assert problems(yaml.safe_load(text), whole) == []


def test_a_late_package_line_is_noticed() -> None:
    assert header_problem("# What this is.\n# @package _global_\na: 1")
    assert not header_problem("# @package _global_\n# What this is.\na: 1")
