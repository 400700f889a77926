"""What a data set does not label teaches no architecture anything, whatever else its pictures teach."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from armature import cli, config_folders
from armature.building import build
from armature.configuration import compose
from armature.data.dataset import KeypointDataset, collate
from armature.data.joined import Joined
from armature.data.synthetic import Synthetic
from armature.skeleton_mapping import union
from armature.skeletons import load
from armature.structures import Batch
from smallest import NETWORK

FOLDER = config_folders.project() / "skeleton"
SMALL = [name for name in config_folders.groups()["architecture"] if name.endswith("_tiny")]
COCO, LSP = (load(FOLDER / f"{name}.yaml") for name in ("coco_person", "lsp"))
BOTH = union([COCO, LSP], "coco_lsp")
#: These learn of an absent keypoint that it is absent, and must not where it is only unlabelled.
TEACH_ABSENCE = {"centernet_tiny", "openpose_tiny", "posted_tiny", "posted_matched_tiny", "yolo_pose_tiny"}


@lru_cache(maxsize=1)
def parts(name: str) -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    edges = [[BOTH.keypoints[a], BOTH.keypoints[b]] for a, b in BOTH.edges]
    points = f"[{','.join(BOTH.keypoints)}]"
    limbs = f"[{','.join(f'[{a},{b}]' for a, b in edges)}]"
    overrides = [f"skeleton.keypoints={points}", f"skeleton.edges={limbs}"]
    config = compose("train", [f"architecture={name}", "skeleton=lsp", *overrides])
    return build(config.model), build(config.codec), build(config.loss)


@lru_cache(maxsize=2)
def pictures(number: int) -> Batch:
    """Two pictures of one of two synthetic data sets with different keypoints."""
    shown = {"length": 2, "size": (128, 128), "people": (1, 2), "scale": (0.6, 0.9), "crowd": 0.0}
    source = Joined([Synthetic(COCO, **shown), Synthetic(LSP, **shown)], BOTH)  # type: ignore[arg-type]
    dataset = KeypointDataset(source, (128, 128))
    batch = collate([dataset[2 * number + i] for i in range(2)])
    batch.images = batch.images.float() / 255
    return batch


def gradients(name: str, batch: Batch) -> dict[str, torch.Tensor]:
    """Of the whole loss, by what the network says (before a sum over it), where there is any."""
    model, codec, loss = parts(name)
    outputs = model.train()(batch.images, batch.instances)
    with torch.no_grad():
        targets = codec.encode({k: v.detach().float() for k, v in outputs.items()}, batch)
    total = loss(outputs, targets)["total"]
    said = {k: v for k, v in outputs.items() if v.requires_grad}
    found = torch.autograd.grad(total, list(said.values()), allow_unused=True)
    return {k: g for k, g in zip(said, found, strict=True) if g is not None}


def of_keypoints(name: str, gradient: torch.Tensor, which: torch.Tensor) -> list[torch.Tensor]:
    """The parts of a gradient that belong to some keypoints: along every axis of K, or of K and a background."""
    sizes = {BOTH.count} | ({BOTH.count + 1} if name == "heatmaps" else set())
    axes = [axis for axis, size in enumerate(gradient.shape) if size in sizes]
    return [gradient.index_select(axis, which) for axis in axes]


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", SMALL)
def test_keypoints_that_a_data_set_does_not_label_get_no_gradient(name: str, number: int) -> None:
    batch = pictures(number)
    assert batch.known is not None
    unknown, known = (~batch.known[0]).nonzero()[:, 0], batch.known[0].nonzero()[:, 0]
    assert len(unknown) == (2, 5)[number]
    taught = 0.0
    for output, gradient in gradients(name, batch).items():
        for part in of_keypoints(output, gradient, unknown):
            assert not part.any(), f"{output} learns of keypoints that nobody labelled"
        taught += sum(float(part.abs().sum()) for part in of_keypoints(output, gradient, known))
    # Where queries are matched to keypoints, no axis of places is one of keypoints.
    assert taught > 0 or name == "posted_matched_tiny"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TEACH_ABSENCE & set(SMALL)))
def test_without_the_mark_they_would(name: str) -> None:
    """The test above can fail: the same pictures, said to be of a data set that labels everything."""
    batch = pictures(1)
    all_known = Batch(batch.images, batch.instances, batch.ignore, batch.to_source, batch.image_ids)
    torch.manual_seed(0)
    marked = gradients(name, batch)
    torch.manual_seed(0)
    plain = gradients(name, all_known)
    assert any(not torch.allclose(marked[k], plain[k]) for k in plain)


def test_parts_and_limbs_of_unknown_keypoints_are_no_background() -> None:
    _, codec, _ = parts("openpose_tiny")
    outputs = {"heatmaps": torch.zeros(1, 2, BOTH.count + 1, 16, 16)}
    targets = codec.encode(outputs, pictures(0))
    assert not targets["heatmaps"].weight[:, -1].any()
    limbs = [any(not pictures(0).knows()[0, i] for i in limb) for limb in codec.parts.limbs]
    assert any(limbs)
    assert [not targets["pafs"].weight[:, e].any() for e in range(len(limbs))] == limbs


def test_queries_are_not_told_that_they_show_nothing() -> None:
    batch = pictures(0)
    model, codec, _ = parts("posted_matched_tiny")
    outputs = model.eval()(batch.images, batch.instances)
    outputs = {k: v.detach().float() for k, v in outputs.items()}
    types = codec.encode(outputs, batch)["types"]
    assert types.weight.expand_as(types.value)[..., 0][types.value[..., -1] == 1].sum() == 0
    assert types.weight.sum() > 0


CONFIG = """
_target_: armature.data.datamodule.KeypointData
canvas: [64, 64]
batch_size: 4
workers: 0
seed: ${seed}
geometry: null
train:
  _target_: armature.data.joined.Joined
  skeleton: ${skeleton}
  sources:
    - {_target_: armature.data.synthetic.Synthetic, length: 6, size: [64, 64], seed: 1, skeleton: %s}
    - {_target_: armature.data.synthetic.Synthetic, length: 6, size: [64, 64], seed: 2, skeleton: %s}
val:
  _target_: armature.data.mapped.Mapped
  skeleton: ${skeleton}
  source: {_target_: armature.data.synthetic.Synthetic, length: 4, size: [64, 64], seed: 3, vary: false, skeleton: %s}
"""


@pytest.mark.slow
def test_two_steps_on_two_data_sets_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The skeleton written by the verb, the data in a config of one's own, judged by data of a third skeleton."""
    monkeypatch.delenv("ARMATURE_RUN_ID", raising=False)
    mine = tmp_path / "mine"
    (mine / "data").mkdir(parents=True)
    written = mine / "skeleton" / "coco_lsp.yaml"
    assert cli.main(["data", "skeleton", "join=[coco_person,lsp]", f"output={written}"]) == 0
    each = [
        json.dumps(yaml.safe_load((FOLDER / f"{name}.yaml").read_text())) for name in ("coco_person", "lsp", "mpii")
    ]
    (mine / "data" / "two.yaml").write_text(CONFIG % tuple(each))
    small = [*NETWORK, "trainer.threads=1", "trainer.precision=32-true", "logger=csv", "pictures=1"]
    given = ["data=two", "skeleton=coco_lsp", "trainer=debug", "trainer.max_epochs=1", "trainer.limit_train_batches=2"]
    assert cli.main(["train", *given, *small, f"runs={tmp_path / 'runs'}", "--config-dir", str(mine)]) == 0
    run = next((tmp_path / "runs" / "default").iterdir())
    with open(run / "history.csv") as file:
        assert float(next(csv.DictReader(file))["train/total"]) > 0
    said = json.loads((run / "provenance.json").read_text())["data"]["split"]
    assert said["train"] == 12 and said["val"] == 4
    predictions = json.loads((run / "predictions.json").read_text())
    assert all(len(row["keypoints"]) == 19 * 3 for row in predictions)
