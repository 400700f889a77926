"""A W&B sweep definition, run through the agent's own code: what it would type is what ``armature`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from armature import cli
from armature.cli import Request
from armature.configuration import compose
from armature.errors import ConfigError
from armature.sweeping import planning, wandb_export

SPACE = (
    "space={optimizer.lr: 'tag(log, interval(0.001, 0.1))', backbone@model.backbone: 'choice(resnet18, resnet34)', "
    "data.batch_size: 'int(interval(4, 16))', model.neck.width: 'range(16, 64, 16)', flip_test: 'choice(true, false)', "
    "data.train.length: 'int(tag(log, interval(64, 4096)))', loss.size.weight: 'interval(0.1, 1)', "
    "data.canvas: 'choice([128,128],[192,192])'}"
)


def definition(*overrides: str) -> dict[str, Any]:
    settings = planning.settle(compose("sweep", overrides), overrides, Request("sweep"))
    return yaml.safe_load(wandb_export.definition(settings))


def agents_command(found: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """What W&B's agent runs for a point: its own functions, as ``wandb_agent.Agent._command_run`` uses them."""
    from wandb.sdk.launch.sweeps import utils

    chunks = utils.create_sweep_command(list(found["command"]))
    macros = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    words: list[str] = []
    for chunk in chunks:
        name = str(chunk).removeprefix("${").removesuffix("}")
        words += macros[name] if name in macros else [] if name == "env" else [str(chunk)]
    return words


def one_of(parameter: dict[str, Any]) -> Any:
    return parameter["values"][-1] if "values" in parameter else parameter["max"]


@pytest.mark.long
def test_the_agents_command_line_composes_with_the_values_that_it_was_given(tmp_path: Path) -> None:
    found = definition(SPACE, "trainer=debug", "seed=5", "sampler=random")
    values = {name: one_of(parameter) for name, parameter in found["parameters"].items()}
    words = agents_command(found, values)
    assert words[:2] == ["armature", "train"] and not any(word.startswith("--") for word in words)
    request = cli.parse(words[1:])
    config = compose("train", request.overrides)
    assert config.optimizer.lr == 0.1 and config.data.batch_size == 16 and config.model.neck.width == 48
    assert config.model.backbone.name == compose("train", ["backbone@model.backbone=resnet34"]).model.backbone.name
    assert config.flip_test is False and config.loss.size.weight == 1 and list(config.data.canvas) == [192, 192]
    assert (
        config.data.train.length == 4096
        and config.trainer.max_epochs == compose("train", ["trainer=debug"]).trainer.max_epochs
    )


@pytest.mark.slow
def test_the_definition_passes_wandbs_own_reading(tmp_path: Path) -> None:
    from wandb.sdk.launch.sweeps import utils

    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(definition(SPACE)))
    read = utils.load_sweep_config(str(file))
    assert read is not None and read["method"] == "bayes"
    assert read["metric"] == {"name": "val/AP", "goal": "maximize"}
    lr = read["parameters"]["optimizer.lr"]
    assert lr == {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}
    lengths = read["parameters"]["data.train.length"]["values"]
    assert lengths[0] == 64 and lengths[-1] == 4096 and all(isinstance(n, int) for n in lengths)


@pytest.mark.long
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sweep=optimizer"], "no conditions"),
        (["sweep=accuracy_latency", "sampler=random"], "one objective"),
        (["sweep=learning_rate", "sampler=cmaes"], "no sampler like cmaes"),
        (["sweep=learning_rate", "seeds=[1,2]"], "no means over seeds"),
    ],
)
def test_what_wandb_has_no_word_for_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        definition(*overrides)


@pytest.mark.slow
def test_from_the_command_line_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wandb.yaml"
    assert cli.main(["sweep", "sweep=learning_rate", "export=wandb", f"output={file}"]) == 0
    assert "wandb sweep" in capsys.readouterr().out
    assert yaml.safe_load(file.read_text())["command"][-1] == "${args_no_hyphens}"
    assert cli.main(["sweep", "sweep=learning_rate", "export=wandbb"]) == 2
