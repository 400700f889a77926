"""Keypoint R-CNN's targets and people: ignored regions, ceilings, mirrored views."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import pytest
import torch
from torchvision.models.detection.roi_heads import keypoints_to_heatmap

from armature.architectures.keypoint_rcnn.codec import KeypointRCNNCodec
from armature.architectures.protocol import synthetic_batch
from armature.building import build
from armature.config_folders import project
from armature.configuration import compose
from armature.errors import ConfigError
from armature.skeletons import load
from armature.structures import Batch, Outputs

PERSON = load(project() / "skeleton" / "coco_person.yaml")
SIZE = (128, 128)


@lru_cache
def parts() -> tuple[Any, KeypointRCNNCodec, Batch, Outputs]:
    """The small model, its codec, a batch and what the model says while it is told where people are."""
    torch.manual_seed(0)
    config = compose("train", ["architecture=keypoint_rcnn_tiny"])
    model, codec, batch = build(config.model).eval(), build(config.codec), synthetic_batch(17, SIZE)
    with torch.no_grad():
        return model, codec, batch, model(batch.images, batch.instances)


def test_true_boxes_are_among_the_regions_and_learned_exactly() -> None:
    _, codec, batch, outputs = parts()
    targets = codec.encode(outputs, batch)
    for image in range(2):
        for box in batch.instances.boxes[image][batch.instances.valid[image]]:
            here = (outputs["regions"][image] == box).all(-1)
            assert here.any() and (targets["roi_scores"].value[image][here] == 1).all()
            torch.testing.assert_close(targets["roi_deltas"].value[image][here], torch.zeros(int(here.sum()), 4))


def test_a_detectors_boxes_are_the_regions_and_nothing_is_left_to_chance() -> None:
    model, codec, batch, _ = parts()
    given = copy.deepcopy(batch.instances)
    given.scores = torch.tensor([[0.2, 0.8], [0.5, 0.0]])
    with torch.no_grad():
        outputs = [model(batch.images, given) for _ in range(2)]
        found = codec.decode(outputs[0], (2, *SIZE))
    assert torch.equal(outputs[0]["regions"][given.valid], given.boxes[given.valid])
    assert torch.equal(outputs[0]["region_valid"], given.valid)
    assert all(torch.equal(outputs[0][name], outputs[1][name]) for name in outputs[0])
    assert all(len(people) <= int(n) for people, n in zip(found, given.valid.sum(1), strict=True))


def test_as_many_anchors_and_regions_as_asked_for_weigh() -> None:
    _, codec, batch, outputs = parts()
    targets = codec.encode(outputs, batch)
    assert (targets["objectness"].weight.sum(1) == codec.anchors).all()
    positive = (targets["objectness"].weight * targets["objectness"].value).sum(1)
    assert ((positive >= 1) & (positive <= codec.anchors * codec.anchor_share)).all()
    assert (targets["roi_scores"].weight <= outputs["region_valid"]).all()
    assert (targets["roi_scores"].weight.sum(1) <= codec.regions).all()


def test_negatives_learn_no_boxes_but_count() -> None:
    _, codec, batch, outputs = parts()
    targets = codec.encode(outputs, batch)
    deltas, scores = targets["anchor_deltas"], targets["objectness"]
    negative = (scores.weight > 0) & (scores.value == 0)
    assert torch.equal(deltas.value[negative], outputs["anchor_deltas"][negative])
    assert torch.equal(deltas.weight[..., 0], scores.weight)


def test_keypoint_cells_are_torchvisions() -> None:
    _, codec, batch, outputs = parts()
    people, windows = batch.instances, outputs["windows"]
    target = codec.encode(outputs, batch)["keypoints"]
    assert len(windows) >= 3
    for p, image in enumerate(outputs["window_images"].tolist()):
        fits = [m for m in range(2) if people.valid[image, m]]
        cells = []
        for m in fits:
            triples = torch.cat([people.keypoints[image, m], people.visibility[image, m, :, None]], -1)
            cells.append(keypoints_to_heatmap(triples[None], windows[p : p + 1], 56))
        place = target.value[p].floor().long()
        flat, on = place[:, 1] * 56 + place[:, 0], target.weight[p, :, 0].long()
        assert any(torch.equal(on, v[0]) and torch.equal(flat * on, c[0]) for c, v in cells)


def test_ignored_regions_are_nobodys_negatives() -> None:
    _, codec, batch, outputs = parts()
    hidden = copy.deepcopy(batch)
    hidden.ignore[:] = True
    targets = codec.encode(outputs, hidden)
    for name in ("objectness", "roi_scores"):
        assert (targets[name].value[targets[name].weight > 0] == 1).all() and targets[name].weight.any()


def test_people_come_back_from_perfect_outputs() -> None:
    """Half a cell and half a pixel, in x and y (the codec's docstring), for every keypoint."""
    _, codec, batch, outputs = parts()
    found = codec.decode(codec.ideal(outputs, codec.encode(outputs, batch)), (2, *SIZE))
    for image, people in enumerate(found):
        truth = batch.instances.keypoints[image][batch.instances.valid[image]]
        boxes = batch.instances.boxes[image][batch.instances.valid[image]]
        assert len(people) == len(truth)
        for points, box in zip(truth, boxes, strict=True):
            away = (people.keypoints - points).abs().amax(1)  # each person's largest error in x and y
            limit = ((box[2:] - box[:2]) / 56 + 1) / 2
            assert ((away <= limit + 1e-3).all(1)).any(), (away, limit)


def test_a_person_may_score_by_its_keypoints_as_well() -> None:
    """The people stay the same and in their order, and score the box times the mean of what each keypoint says."""
    _, codec, _, outputs = parts()
    both, codec = copy.copy(codec), copy.copy(codec)
    both.score, codec.score = "box*keypoints", "box"
    for ranked, plain in zip(both.decode(outputs, (2, *SIZE)), codec.decode(outputs, (2, *SIZE)), strict=True):
        assert len(plain)
        assert torch.equal(ranked.keypoints, plain.keypoints)
        expected = torch.tensor(
            [float(s) * sum(map(float, k)) / len(k) for s, k in zip(plain.scores, plain.keypoint_scores)]
        )
        torch.testing.assert_close(ranked.scores, expected)
    assert "keypoint" in both.protocol["score_rule"] and "keypoint" not in codec.protocol["score_rule"]


def mirrored(outputs: Outputs, flip: list[int]) -> Outputs:
    """What a network that knows no left from right says of the mirrored pictures."""
    other = dict(outputs)
    for name in ("windows", "detections"):
        x1, y1, x2, y2 = outputs[name].unbind(-1)
        other[name] = torch.stack([SIZE[1] - x2, y1, SIZE[1] - x1, y2], -1)
    other["keypoints"] = outputs["keypoints"].flip(-1)[:, flip]
    return other


def test_a_mirrored_view_that_agrees_changes_nothing() -> None:
    model, codec, batch, _ = parts()
    with torch.no_grad():
        outputs = model(batch.images)
    merged = codec.unflip(outputs, mirrored(outputs, list(PERSON.flip)))
    torch.testing.assert_close(merged["keypoints"], outputs["keypoints"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(merged["detection_scores"], outputs["detection_scores"], atol=1e-4, rtol=1e-4)


def test_a_mirrored_view_is_averaged_where_windows_differ() -> None:
    _, codec, batch, outputs = parts()
    outputs = codec.ideal(outputs, codec.encode(outputs, batch))
    other = mirrored(outputs, list(PERSON.flip))
    other["windows"] = other["windows"] + torch.tensor([-1.5, 2.0, 2.5, -1.0])
    # The same heat seen through windows that are a little larger: peaks lie elsewhere in them.
    merged = codec.unflip(outputs, other)
    assert not torch.allclose(merged["keypoints"], outputs["keypoints"], atol=1e-2)
    assert torch.equal(merged["windows"], outputs["windows"])
    nobody = {
        k: v[:0] if k in ("windows", "detections", "window_images", "detection_scores", "keypoints") else v
        for k, v in other.items()
    }
    torch.testing.assert_close(codec.unflip(outputs, nobody)["keypoints"], outputs["keypoints"])


@pytest.mark.parametrize(
    "wrong",
    [{"anchor_low": 0.8}, {"overlap": 1.5}, {"region_share": -0.1}, {"keypoint_score": "peak"}, {"score": "best"}],
)
def test_senseless_arguments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        KeypointRCNNCodec(PERSON, **wrong)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.proposals.sizes=[[16],[32]]"], "4 levels"),
        (["model.divisor=8"], "divisor"),
        (["model.frozen_levels=9"], "frozen_levels"),
        (["backbone@model.backbone=convnext_tiny", "model.frozen_norms=true"], "no batch normalisation"),
    ],
)
def test_parts_that_do_not_fit_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(compose("train", ["architecture=keypoint_rcnn_tiny", *overrides]).model)


def test_frozen_parts_have_no_gradients_and_say_the_same() -> None:
    torch.manual_seed(1)
    plain = build(compose("train", ["architecture=keypoint_rcnn_tiny"]).model).eval()
    overrides = ["architecture=keypoint_rcnn_tiny", "model.frozen_norms=true", "model.frozen_levels=1"]
    frozen = build(compose("train", overrides).model)
    kept = {name for name, _ in frozen.named_parameters()}
    frozen.load_state_dict({k: v for k, v in plain.state_dict().items() if "num_batches" not in k})
    images = parts()[2].images
    with torch.no_grad():
        for a, b in zip(plain.backbone(images), frozen.train().backbone(images), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    still = {name for name, p in frozen.backbone.net.named_parameters() if not p.requires_grad}
    assert still and all(name.startswith(("conv1", "bn1", "layer1.")) for name in still)
    assert not any("bn" in name for name in kept)
