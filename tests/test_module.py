"""How the module asks a network: at several sizes, and at boxes from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from armature import assembly
from armature.architectures.protocol import synthetic_batch
from armature.configuration import compose
from armature.errors import ConfigError


def test_boxes_of_a_results_file_are_where_the_second_stage_looks(tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    boxes = [[10.0, 20.0, 50.0, 80.0], [70.0, 10.0, 40.0, 90.0]]
    rows = [{"image_id": 1, "category_id": 1, "bbox": b, "score": s} for b, s in zip(boxes, (0.9, 0.5), strict=True)]
    file.write_text(json.dumps(rows))
    config = compose("train", ["architecture=posted_tiny", "proposals=coco_results", f"proposals.file={file}"])
    module = assembly.assemble(config).eval()
    with torch.no_grad():
        people = module.predict_step(synthetic_batch(17))
    assert [len(found) for found in people] == [2, 0]
    found = people[0].boxes[people[0].boxes[:, 0].argsort()]
    expected = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_several_sizes_find_more_than_one() -> None:
    once = assembly.assemble(compose("train", [])).eval()
    often = assembly.assemble(compose("train", ["multi_scale=five"])).eval()
    often.load_state_dict(once.state_dict())
    images = synthetic_batch(17).images
    with torch.no_grad():
        assert all(len(b) > len(a) for a, b in zip(once.find(images), often.find(images), strict=True))
    assert often.metrics.protocol["multi_scale"] == "[0.5, 0.75, 1.0, 1.25, 1.5]"


def test_given_boxes_and_several_sizes_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        assembly.PoseModule(None, None, None, None, multi_scale=object(), proposals=object())  # type: ignore[arg-type]


def test_losses_with_weights_of_their_own_are_trained() -> None:
    module = assembly.assemble(compose("train", ["term@loss.joints=rle"]))
    module.schedule = None
    trained = {id(p) for group in module.configure_optimizers().param_groups for p in group["params"]}
    own = list(module.loss.parameters())
    assert own and all(id(p) in trained for p in own)
    assert all(id(p) in trained for p in module.model.parameters())
