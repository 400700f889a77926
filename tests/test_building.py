from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from armature.building import build, locate
from armature.errors import ConfigError, DataError
from armature.structures import Skeleton

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}


def test_a_node_is_a_call() -> None:
    layer = build(LINEAR, bias=False)
    assert isinstance(layer, torch.nn.Linear)
    assert (layer.in_features, layer.out_features, layer.bias) == (2, 3, None)


def test_what_the_caller_says_wins_and_may_be_any_object() -> None:
    assert build(LINEAR, out_features=5).out_features == 5
    skeleton = Skeleton("two", ("a", "b"), (), (0, 1), None, ((0, 0, 0),) * 2)
    assert build({"_target_": "armature.skeletons.sigmas_or_default"}, skeleton=skeleton) == (0.062, 0.062)


def test_inner_nodes_are_built_first_in_dicts_and_lists() -> None:
    relu = {"_target_": "torch.nn.ReLU"}
    network = build({"_target_": "torch.nn.Sequential", "_args_": [LINEAR, relu]})
    assert [type(m) for m in network] == [torch.nn.Linear, torch.nn.ReLU]
    both = build({"a": relu, "b": [relu, 3]})
    assert isinstance(both["a"], torch.nn.ReLU)
    assert isinstance(both["b"][0], torch.nn.ReLU)
    assert both["b"][1] == 3
    assert build(None) is None


def test_partial_waits_for_the_rest() -> None:
    made = build({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5})
    assert isinstance(made, functools.partial)
    assert made([torch.zeros(1, requires_grad=True)]).defaults["lr"] == 0.5


def test_recursive_false_leaves_inner_nodes_alone() -> None:
    kept = build({"_target_": "torch.nn.ParameterDict", "_recursive_": False, "parameters": {"x": LINEAR}})
    assert kept["x"] == LINEAR


def test_values_arrive_as_plain_containers_with_interpolations_resolved() -> None:
    config = OmegaConf.create(
        {"k": 4, "model": {"_target_": "torch.nn.Unflatten", "dim": 1, "unflattened_size": ["${k}", 2]}}
    )
    size = build(config.model).unflattened_size
    assert type(size) is list
    assert size == [4, 2]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torchevil.Thing",
        "torch.hub.load",
        "torch.load",
        "torch.serialization.load",
        "torch.utils.cpp_extension.load",
        "torch._C._something",
        "armature.run_folder.write_text",
        "armature.cli.main",
        "armature.verbs.train.run",
        "torch.os.system",  # an allowed module's import of something else
        "armature.data.__init__.os",
        "torch",
        7,
    ],
)
def test_what_is_not_allowed_is_refused(target: Any) -> None:
    with pytest.raises(ConfigError, match=r"'model\.inner'.*(not allowed|dotted name)"):
        build({"model": {"inner": {"_target_": target}}})


def test_everything_is_checked_before_anything_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sideeffect.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ARMATURE_ALLOW", "sideeffect")
    with pytest.raises(ConfigError, match=r"os\.system"):
        build({"a": {"_target_": "sideeffect.f"}, "b": [{"_target_": "torch.nn.ReLU", "x": {"_target_": "os.system"}}]})
    assert "sideeffect" not in sys.modules


def test_the_users_own_code_is_allowed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mylab_net.py").write_text("class Net:\n    def __init__(self, width): self.width = width\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="--allow PREFIX"):
        build({"_target_": "mylab_net.Net", "width": 3})
    monkeypatch.setenv("ARMATURE_ALLOW", "other, mylab_net")
    assert build({"_target_": "mylab_net.Net", "width": 3}).width == 3


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torch.nn.Conv2dd", ["'torch.nn' has no 'Conv2dd'", "did you mean 'Conv2d'"]),
        ("armature.nosuch.Thing", ["'armature' has no 'nosuch'"]),
        ("torch.nn.functional", ["module", "cannot be called"]),
    ],
)
def test_targets_that_do_not_exist(target: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(target, "model.head")
    for word in ["'model.head'", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"in_feature": 1},
            ["'in_feature'", "did you mean 'in_features'", "its parameters: in_features, out_features"],
        ),
        ({"out_features": "???"}, ["no value for out_features"]),
        ({"_target_": "torch.nn.RNN", "in_features": "???"}, ["torch.nn.RNN", "no value for in_features"]),
        ({"out_features": "many"}, ["torch.nn.Linear", "failed"]),
    ],
)
def test_wrong_parameters_name_key_target_and_signature(change: dict[str, Any], words: list[str]) -> None:
    config = OmegaConf.create({"model": {"head": LINEAR | change}})
    with pytest.raises(ConfigError) as caught:
        build(config.model)
    for word in ["'model.head'", *words]:
        assert word in str(caught.value), str(caught.value)


def test_a_users_error_inside_a_constructor_comes_through_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = "from armature.errors import DataError\ndef read(file): raise DataError(f'{file}: no JSON')\n"
    (tmp_path / "mylab_data.py").write_text(read + "def bug(): return {}['x']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ARMATURE_ALLOW", "mylab_data")
    with pytest.raises(DataError, match=r"^a\.json: no JSON$"):
        build({"data": {"_target_": "mylab_data.read", "file": "a.json"}})
    with pytest.raises(KeyError):  # ours to mend: a traceback, not a message
        build({"_target_": "mylab_data.bug"})


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mylab_needs.py").write_text("import a_package_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ARMATURE_ALLOW", "mylab_needs")
    with pytest.raises(ConfigError, match="needs the package 'a_package_nobody_has'"):
        build({"_target_": "mylab_needs.f"})
