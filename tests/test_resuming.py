"""What may change when a run goes on, and what may not: said by name, before anything is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from armature import resuming, run_folder
from armature.configuration import compose, save_text
from armature.errors import ConfigError
from armature.run_folder import RunFolder

OVERRIDES = ["data=openfield", "skeleton=openfield_mouse", "data.root=/data/mice"]


@pytest.fixture(scope="module")
def composed() -> DictConfig:
    return compose("train", OVERRIDES)


@pytest.fixture
def run(tmp_path: Path, composed: DictConfig, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.delenv(run_folder.RUN_VARIABLE, raising=False)
    folder = run_folder.create(tmp_path, "default")
    run_folder.write_text(folder.config, save_text(composed))
    known = {"segments": [{"processes": 1}], "data": {"fingerprint": "a" * 64}}
    run_folder.write_json(folder.provenance, known)
    return folder


def begin(run: RunFolder, *overrides: str) -> resuming.Start:
    asked = [f"resume={run.path}", *overrides]
    config: Any = OmegaConf.create({"resume": str(run.path), "runs": str(run.path.parent.parent), "name": "default"})
    return resuming.begin(config, asked)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("model.head_channels=48", "architecture"),
        ("codec.reach=0", "codec"),
        ("skeleton.name=other", "skeleton"),
        ("data.split.seed=3", "validated on"),
        ("data.split.val=0.5", "validated on"),
        ("data.limit=10", "validated on"),
        ("data.canvas=[64,64]", "other data"),
        ("data.samples_per_epoch=64", "other data"),
        ("optimizer.lr=0.5", "checkpoint"),
        ("average.decay=0.5", "checkpoint"),
        ("seed=9", "order of the data"),
        ("name=other", "folder"),
        ("trainer.accumulate_grad_batches=2", "counted wrongly"),
        ("flip_test=false", "compared"),
    ],
)
def test_what_cannot_change_is_refused_by_name(run: RunFolder, override: str, reason: str) -> None:
    before = run.config.read_bytes(), run.provenance.read_bytes()
    with pytest.raises(ConfigError) as refused:
        begin(run, override)
    assert override.partition("=")[0] in str(refused.value) and reason in str(refused.value)
    assert (run.config.read_bytes(), run.provenance.read_bytes()) == before


@pytest.mark.parametrize("group", ["architecture=posted", "optimizer=sgd", "model=x"])
def test_parts_cannot_be_exchanged(run: RunFolder, group: str) -> None:
    with pytest.raises(ConfigError, match=group.partition("=")[0]):
        begin(run, group)


@pytest.mark.parametrize(
    "override",
    [
        "trainer.max_epochs=50",
        "data.workers=3",
        "data.root=/elsewhere",
        "trainer.threads=2",
        "pictures=0",
        "early_stopping=4",
        "checkpoint_seconds=600",
        "logger.wandb.mode=disabled",
    ],
)
def test_what_can_change_does_and_is_known(run: RunFolder, override: str) -> None:
    key, _, value = override.partition("=")
    start = begin(run, override)
    assert str(OmegaConf.select(start.config, key)) == value
    assert list(start.changed) == [key] and str(start.changed[key][1]) == value


def test_nothing_changed_is_nothing_known(run: RunFolder) -> None:
    start = begin(run)
    assert start.folder is not None and start.folder.path == run.path and start.changed == {}


@pytest.mark.parametrize("option", ["null", "none", "csv"])
def test_another_logger(run: RunFolder, option: str) -> None:
    start = begin(run, f"logger={option}")
    assert set(start.config.logger or {}) == ({"csv"} if option == "csv" else set())
    assert start.changed and all(key.startswith("logger") for key in start.changed)


@pytest.mark.slow
def test_more_devices_with_the_global_batch_kept(run: RunFolder, composed: DictConfig) -> None:
    size = composed.data.batch_size
    with pytest.raises(ConfigError) as refused:
        begin(run, "trainer=ddp", "trainer.devices=2")
    assert f"data.batch_size={size // 2}" in str(refused.value)
    start = begin(run, "trainer=ddp", "trainer.devices=2", f"data.batch_size={size // 2}")
    assert start.config.trainer.devices == 2 and "DataParallel" in start.config.trainer.strategy._target_
    assert start.config.trainer.max_epochs == composed.trainer.max_epochs  # the option says where, not how long
    assert {"trainer.devices", "data.batch_size"} <= set(start.changed)


def test_a_smaller_batch_alone_is_another_global_batch(run: RunFolder) -> None:
    with pytest.raises(ConfigError, match="global batch"):
        begin(run, "data.batch_size=4")


def test_other_data_under_the_same_names(run: RunFolder) -> None:
    resuming.check_data(run, "a" * 64)
    with pytest.raises(ConfigError, match="split is not what it was"):
        resuming.check_data(run, "b" * 64)


def test_the_same_command_started_again_by_a_cluster_goes_on(
    run: RunFolder, composed: DictConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = composed.copy()
    again.runs, again.name = str(run.path.parent.parent), "default"
    assert resuming.begin(again, OVERRIDES).folder is None
    monkeypatch.setenv(run_folder.RUN_VARIABLE, run.id)
    with pytest.warns(UserWarning, match="runs"):
        start = resuming.begin(again, OVERRIDES)
    assert start.folder == run
    run.share()  # but a further run of the process that made it is no restart
    assert resuming.begin(again, OVERRIDES).folder is None


def test_killed_before_it_had_a_config_it_begins_again(
    tmp_path: Path, composed: DictConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(run_folder.RUN_VARIABLE, "slurm-1")
    config = composed.copy()
    config.runs = str(tmp_path)
    run_folder.create(tmp_path, "default")
    assert resuming.begin(config, []).folder is None


def test_fragments_of_a_killed_process_are_tidied_away(run: RunFolder) -> None:
    run.checkpoints.mkdir()
    for fragment in (run.checkpoints / ".last.ckpt.77.tmp", run.path / ".config.yaml.77.ab.partial"):
        fragment.write_text("half")
    run.last.write_text("whole")
    run.tidy()
    assert sorted(p.name for p in run.path.rglob("*") if p.is_file()) == ["config.yaml", "last.ckpt", "provenance.json"]
    assert json.loads(run.provenance.read_text())["segments"]
