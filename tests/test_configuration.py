from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from armature.configuration import compose, expand, load, save_text
from armature.errors import ConfigError, DataError


def test_compose_answers_a_resolved_config() -> None:
    config = compose("train", ["seed=7", "optimizer=sgd"])
    assert config.seed == 7
    assert config.optimizer._target_ == "torch.optim.SGD"
    assert "${" not in save_text(config)


def test_compose_writes_nothing_and_leaves_logging_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handlers, level = list(logging.root.handlers), logging.root.level
    compose("train")
    assert os.listdir(tmp_path) == []
    assert (list(logging.root.handlers), logging.root.level) == (handlers, level)


def test_a_users_folder_adds_options_and_experiments(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "experiment").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("_target_: torch.optim.Rprop\n_partial_: true\nlr: 0.5\n")
    text = "# @package _global_\ndefaults:\n  - override /optimizer: mine\nseed: 9\n"
    (tmp_path / "experiment" / "first.yaml").write_text(text)
    config = compose("train", ["experiment=first"], [tmp_path])
    assert (config.seed, config.optimizer.lr) == (9, 0.5)
    with pytest.raises(ConfigError, match="first"):
        compose("train", ["experiment=first"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("architecture=centrenet", ["no 'centrenet' in group architecture", "did you mean 'centernet'", "available:"]),
        ("architecure=centernet", ["unknown key 'architecure'", "did you mean 'architecture'"]),
        ("trainer.max_epoch=3", ["unknown key 'trainer.max_epoch'", "did you mean 'trainer.max_epochs'"]),
        ("max_epochs=3", ["did you mean 'trainer.max_epochs'", "top-level keys:"]),
        ("term@loss.sise=l1", ["term@loss.sise", "term@loss.size"]),
        ("term@loss.size=l11", ["no 'l11' in group term", "did you mean 'l1'"]),
        ("~trainer.max_epoch", ["unknown key 'trainer.max_epoch'", "did you mean 'trainer.max_epochs'"]),
        ("epochs=5", ["unknown key 'epochs'", "did you mean 'trainer.max_epochs'"]),
        ("arch=centernet", ["unknown key 'arch'", "did you mean 'architecture'"]),
        ("batch=4", ["did you mean 'data.batch_size'"]),
        ("data.path=X", ["unknown key 'data.path'", "data=folder has it: add data=folder"]),
        ("data=/no/such/place", ["data names a config", "data=folder data.path=/no/such/place"]),
        ("data=my/data.yaml", ["data names a config", "data=folder data.path=my/data.yaml"]),
        ("data.canvas=128", ["data.canvas=128 must be [height, width]", "'data.canvas=[128,128]'"]),
        ("data.canvas=[128,0]", ["must be [height, width]"]),
        ("data.canvas=[1,2,3]", ["must be [height, width]"]),
        ("seed", ["cannot be read", "seed=VALUE"]),
        ("seed=[1,2", ["override 'seed=[1,2' cannot be read"]),
        ("seed=1,2", ["asks for several runs: add -m"]),
        ("seed=${nothing.there}", ["nothing.there", "'seed'"]),
        ("seed=${oc.env:NO_SUCH_VARIABLE}", ["NO_SUCH_VARIABLE"]),
        ("seed=???", ["armature train needs seed=VALUE"]),
    ],
)
def test_mistakes_say_what_was_asked_and_what_there_is(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", [override])
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert "HYDRA_FULL_ERROR" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_mistake_is_found_among_right_overrides() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.max_epoch'.*trainer\.max_epochs"):
        compose("train", ["optimizer=sgd", "seed=3", "trainer.max_epoch=3", "+extra=1"])


def test_the_option_that_has_a_key_stands_in_place_of_the_one_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"write data=folder in place of data=coco_mini"):
        compose("train", ["data=coco_mini", "data.path=X"])


def test_a_users_option_that_has_a_key_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("path: here\n")
    (tmp_path / "data" / "torn.yaml").write_text("path: [\n")
    with pytest.raises(ConfigError, match="one of these has it: data=folder, data=mine; add the one"):
        compose("train", ["data.path=X"], [tmp_path])


@pytest.mark.parametrize(
    ("verb", "meant"), [("data_check", "write data.path=poses"), ("predict", "write source=poses")]
)
def test_a_word_is_said_to_be_the_place_of_the_data(verb: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"'poses' is no key=value; {meant}"):
        compose(verb, ["poses"])


def test_a_folder_that_is_no_option_is_said_to_be_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poses").mkdir()
    for word in ("data=poses", "poses"):
        with pytest.raises(ConfigError, match=r"data=folder data\.path=poses"):
            compose("train", [word])
    with pytest.raises(ConfigError, match="no 'pose' in group data"):
        compose("train", ["data=pose"])


def test_an_option_of_a_group_within_a_group_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "mice.yaml").write_text("# @package data\ncolour: grey\n")
    assert compose("train", ["data=mine/mice", "monitor=x", "flip_test=false"], [tmp_path]).data.colour == "grey"


def test_a_path_that_is_not_there_is_told_before_anything_heavy_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poses").mkdir()
    monkeypatch.setitem(sys.modules, "armature.folder_facts", None)  # importing it fails
    with pytest.raises(DataError, match="pose: no such file or folder, did you mean 'poses'"):
        compose("train", ["data=folder", "data.path=pose"])


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match="armature predict needs run=VALUE"):
        compose("predict", ["source=x"])


def test_resolvers_of_lengths_and_cores() -> None:
    config = compose("train", ["+k='${length:${skeleton.keypoints}}'", "+n='${cores:}'"])
    assert config.k == 17
    assert config.n == len(os.sched_getaffinity(0))


def test_a_grid_is_every_combination_in_order() -> None:
    assert expand(["seed=1,2", "name=x", "flip=range(0,3)"]) == [
        [f"seed={seed}", "name=x", f"flip={flip}"] for seed in (1, 2) for flip in (0, 1, 2)
    ]
    assert expand(["a=[1,2]"]) == [["a=[1,2]"]]
    assert expand([]) == [[]]


def test_glob_knows_the_users_options(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "adagrad.yaml").write_text("a: 1")
    assert expand(["optimizer=glob(ada*)"], [tmp_path]) == [
        ["optimizer=adagrad"],
        ["optimizer=adam"],
        ["optimizer=adamw"],
    ]


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2", None])
def test_a_saved_config_that_is_none(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "config.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=str(file)):
        load(file)


def test_a_saved_config_comes_back(tmp_path: Path) -> None:
    config = compose("train")
    (tmp_path / "config.yaml").write_text(save_text(config))
    assert load(tmp_path / "config.yaml") == config
