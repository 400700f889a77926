"""YOLOv8-pose's codec: assignment against a plain loop, and what it encodes it decodes."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision

from armature.architectures.protocol import synthetic_batch
from armature.architectures.yolo_pose.assignment import TaskAligned
from armature.architectures.yolo_pose.codec import YOLOPoseCodec
from armature.skeletons import load
from armature.structures import Batch, Outputs

PERSON = load("conf/skeleton/coco_person.yaml")
K = PERSON.count


def outputs_of(size: tuple[int, int] = (128, 128), batch: int = 2, seed: int = 0) -> Outputs:
    """Made-up predictions whose boxes are now and then close to somebody."""
    generator = torch.Generator().manual_seed(seed)
    points, strides = [], []
    for stride in (8, 16, 32):
        y, x = torch.meshgrid(*(torch.arange(v // stride) for v in size), indexing="ij")
        points.append((torch.stack([x, y], -1).flatten(0, 1) + 0.5) * stride)
        strides.append(torch.full((len(points[-1]),), float(stride)))
    anchors, stride = torch.cat(points), torch.cat(strides)
    a = len(anchors)
    sides = torch.rand(batch, a, 4, generator=generator) * 60 / stride[:, None]
    return {
        "scores": torch.randn(batch, a, 1, generator=generator),
        "boxes": sides * torch.tensor([-1.0, -1.0, 1.0, 1.0]),
        "bins": torch.randn(batch, a, 4, 16, generator=generator),
        "keypoints": torch.randn(batch, a, K, 2, generator=generator),
        "visibility": torch.randn(batch, a, K, generator=generator),
        "anchors": anchors,
        "strides": stride,
    }


def pixel_boxes(outputs: Outputs) -> torch.Tensor:
    return outputs["anchors"].repeat(1, 2) + outputs["boxes"] * outputs["strides"][:, None]


def ciou(a: torch.Tensor, b: torch.Tensor) -> float:
    return 1 - float(torchvision.ops.complete_box_iou_loss(a, b))


def plain_assignment(scores, boxes, points, people, top, alpha, beta):  # type: ignore[no-untyped-def]
    """Task-aligned assignment of one image, number by number."""
    aligned, overlap, asked = {}, {}, {a: [] for a in range(len(points))}
    for m, person in enumerate(people):
        x1, y1, x2, y2 = person.tolist()
        inside = [a for a, (x, y) in enumerate(points.tolist()) if x1 < x < x2 and y1 < y < y2]
        for a in inside:
            overlap[m, a] = max(0.0, ciou(boxes[a], person))
            aligned[m, a] = float(scores[a]) ** alpha * overlap[m, a] ** beta
        for a in sorted(inside, key=lambda a: -aligned[m, a])[:top]:
            asked[a].append(m)
    owner = [-1] * len(points)
    for a, wish in asked.items():
        if wish:
            owner[a] = max(range(len(people)), key=lambda m: overlap.get((m, a), 0)) if len(wish) > 1 else wish[0]
    quality = [0.0] * len(points)
    for m in range(len(people)):
        mine = [a for a, o in enumerate(owner) if o == m]
        if mine:
            most, best = max(aligned[m, a] for a in mine), max(overlap[m, a] for a in mine)
            for a in mine:
                quality[a] = aligned[m, a] * best / (most + 1e-9)
    return owner, quality


@pytest.mark.parametrize("seed", [0, 1])
def test_assignment_equals_a_plain_loop(seed: int) -> None:
    outputs = outputs_of((96, 96), seed=seed)
    # The second person lies in the first and the third half on it, so that they want the same anchors.
    people = torch.tensor([[10.0, 8, 80, 90], [20, 15, 66, 70], [40, 30, 95, 94], [0, 0, 0, 0]]).expand(2, 4, 4).clone()
    people[1] += 3.3
    valid = torch.tensor([[True, True, True, False], [True, True, False, False]])
    scores, boxes, points = outputs["scores"][..., 0].sigmoid(), pixel_boxes(outputs), outputs["anchors"]
    boxes[:, ::3] = people[:, :1] + torch.randn(2, len(points[::3]), 4, generator=torch.Generator().manual_seed(5)) * 6
    found = TaskAligned(anchors=10, alpha=0.5, beta=6.0)(scores, boxes, points, people, valid)
    for b in range(2):
        there = people[b][valid[b]]
        owner, quality = plain_assignment(scores[b], boxes[b], points, there, 10, 0.5, 6.0)
        # Among anchors that overlap nobody the choice is anybody's, and of no weight.
        sure = torch.tensor(quality) > 1e-12
        assert sure.sum() >= 15 and set(torch.tensor(owner)[sure].tolist()) == set(range(len(there)))
        assert torch.equal(found.owner[b][sure], torch.tensor(owner)[sure])
        torch.testing.assert_close(found.quality[b], torch.tensor(quality), atol=1e-6, rtol=1e-3)


def test_a_perfect_network_gives_the_people_back() -> None:
    codec, batch = YOLOPoseCodec(PERSON, min_score=0.3), synthetic_batch(K)
    outputs = outputs_of()
    people = codec.decode(codec.ideal(outputs, codec.encode(outputs, batch)), (2, 128, 128))
    for b, found in enumerate(people):
        for m in batch.instances.valid[b].nonzero().flatten():
            away = (found.keypoints - batch.instances.keypoints[b, m]).norm(dim=-1).amax(-1)
            best = int(away.argmin())
            assert float(away[best]) <= codec.tolerance and float(found.scores[best]) > 0.99
            torch.testing.assert_close(found.boxes[best], batch.instances.boxes[b, m], atol=0.01, rtol=0)
            assert float(found.keypoint_scores[best].min()) > 0.99


def test_targets_are_in_cells_from_the_anchor() -> None:
    codec, batch, outputs = YOLOPoseCodec(PERSON), synthetic_batch(K), outputs_of()
    batch.instances.visibility[0, 0, :12] = 0
    targets = codec.encode(outputs, batch)
    owner = codec.assign(
        outputs["scores"][..., 0].sigmoid(),
        pixel_boxes(outputs),
        outputs["anchors"],
        batch.instances.boxes,
        batch.instances.valid,
    ).owner
    a = int((owner[0] == 0).nonzero()[0])
    stride, anchor = outputs["strides"][a], outputs["anchors"][a]
    box = batch.instances.boxes[0, 0]
    torch.testing.assert_close(targets["boxes"].value[0, a] * stride + anchor.repeat(2), box)
    torch.testing.assert_close(targets["keypoints"].value[0, a] * stride + anchor, batch.instances.keypoints[0, 0])
    weight = targets["keypoints"].weight[0, a, :, 0]
    assert weight[:12].sum() == 0 and torch.allclose(weight[12:], torch.tensor(0.2))  # each person counts the same
    scale = targets["keypoints"].scale
    assert scale is not None
    torch.testing.assert_close(scale[0, a].squeeze(), (box[2] - box[0]) * (box[3] - box[1]) / stride**2)
    assert targets["visibility"].value[0, a].tolist() == [0.0] * 12 + [1.0] * 5
    # The mean of a side's shares is its distance.
    sides = (targets["bins"].value[0, a] * torch.arange(16.0)).sum(-1)
    torch.testing.assert_close(sides, targets["boxes"].value[0, a].abs().clamp(max=14.99))
    torch.testing.assert_close(targets["bins"].value[0, a].sum(-1), torch.ones(4))


def nobody(batch: Batch) -> Batch:
    batch = copy.deepcopy(batch)
    batch.instances.valid[:] = False
    return batch


def test_nobody_teaches_only_that_nobody_is_there_and_not_under_ignore() -> None:
    codec, batch, outputs = YOLOPoseCodec(PERSON), nobody(synthetic_batch(K)), outputs_of()
    batch.ignore[:, :, :64] = True
    targets = codec.encode(outputs, batch)
    assert all(targets[n].weight.sum() == 0 for n in ("boxes", "bins", "keypoints", "visibility"))
    assert targets["scores"].value.sum() == 0
    right = outputs["anchors"][:, 0] > 64
    assert torch.equal(targets["scores"].weight[0, :, 0], right.float())


def test_people_under_ignore_are_learned_all_the_same() -> None:
    codec, batch, outputs = YOLOPoseCodec(PERSON), synthetic_batch(K), outputs_of()
    batch.ignore[:] = True
    targets = codec.encode(outputs, batch)
    mine = targets["boxes"].weight[..., 0] > 0
    assert mine.any() and (targets["scores"].weight[..., 0][mine] == 1).all()
    assert targets["scores"].weight.sum() < 40


def test_people_without_labelled_points_are_boxes_but_no_points() -> None:
    codec, batch, outputs = YOLOPoseCodec(PERSON), synthetic_batch(K), outputs_of()
    batch.instances.visibility[:] = 0
    targets = codec.encode(outputs, batch)
    assert targets["boxes"].weight.sum() > 0
    assert targets["keypoints"].weight.sum() == 0 and targets["visibility"].weight.sum() == 0


def test_the_annotated_area_may_be_asked_for() -> None:
    batch, outputs = synthetic_batch(K), outputs_of()
    box, annotation = (
        YOLOPoseCodec(PERSON, area=a).encode(outputs, batch)["keypoints"].scale for a in ("box", "annotation")
    )
    assert box is not None and annotation is not None
    torch.testing.assert_close(annotation, box * 0.5)  # as the synthetic batch has it


def test_the_mirror_image_of_a_perfect_answer_is_the_perfect_answer_in_the_mirror() -> None:
    codec, batch, outputs = YOLOPoseCodec(PERSON, min_score=0.3), synthetic_batch(K), outputs_of()
    batch.instances.valid[:, 1] = False
    other = copy.deepcopy(batch)
    people = other.instances
    people.keypoints = people.keypoints[:, :, list(PERSON.flip)]
    people.keypoints[..., 0] = 128 - people.keypoints[..., 0]
    x1, y1, x2, y2 = people.boxes.unbind(-1)
    people.boxes = torch.stack([128 - x2, y1, 128 - x1, y2], -1)
    upright, flipped = (codec.ideal(outputs, codec.encode(outputs, b)) for b in (batch, other))
    for found, truth in zip(
        codec.decode(codec.unflip(upright, flipped), (2, 128, 128)), batch.instances.keypoints, strict=True
    ):
        best = int(found.scores.argmax())
        torch.testing.assert_close(found.keypoints[best], truth[0], atol=0.01, rtol=0)


def test_views_that_agree_are_averaged() -> None:
    codec, one = YOLOPoseCodec(PERSON), outputs_of()
    # What the mirror would have said, had it said the same, 2 cells further to the right in the upright view.
    width = [128 // int(s) for s in one["strides"].unique()]
    index = torch.arange(len(one["anchors"]))
    starts = torch.tensor([0, 256, 320]).repeat_interleave(torch.tensor([256, 64, 16]))
    w = torch.tensor(width).repeat_interleave(torch.tensor([256, 64, 16]))
    cell = index - starts
    twin = starts + cell // w * w + (w - 1 - cell % w)
    x1, y1, x2, y2 = one["boxes"][:, twin].unbind(-1)
    joints = one["keypoints"][:, twin][:, :, list(PERSON.flip)] * torch.tensor([-1.0, 1.0]) - torch.tensor([2.0, 0.0])
    mirror = one | {
        "boxes": torch.stack([-x2, y1, -x1, y2], -1),
        "keypoints": joints,
        "scores": one["scores"][:, twin],
        "visibility": one["visibility"][:, twin][:, :, list(PERSON.flip)],
    }
    both = codec.unflip(one, mirror)
    torch.testing.assert_close(both["keypoints"], one["keypoints"] + torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(both["scores"], one["scores"], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(both["boxes"], one["boxes"])


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_decode_equals_a_threshold_and_torchvisions_suppression(kind: torch.dtype) -> None:
    codec, outputs = YOLOPoseCodec(PERSON, min_score=0.4, shift=0.5, max_people=40), outputs_of()
    outputs = {n: v.to(kind) for n, v in outputs.items()}
    found = codec.decode(outputs, (2, 128, 128))
    whole = {n: v.float() for n, v in outputs.items()}
    for b in range(2):
        scores, boxes = whole["scores"][b, :, 0].sigmoid(), pixel_boxes(whole)[b]
        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] > 0.4]
        kept = order[torchvision.ops.nms(boxes[order], scores[order], 0.7)][:40]
        torch.testing.assert_close(found[b].scores, scores[kept])
        points = whole["anchors"][kept, None] + whole["keypoints"][b, kept] * whole["strides"][kept, None, None] + 0.5
        if kind == torch.float32:  # in bf16 many scores are equal, and any order of those is right
            torch.testing.assert_close(found[b].keypoints, points)
            torch.testing.assert_close(found[b].boxes, boxes[kept])
