"""Matching of boxes to people, sampling and deltas against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from armature.ops.anchors import cell_anchors, from_deltas, grid_anchors, to_deltas
from armature.ops.matching import balanced, covered, overlaps, owners_by_overlap


def some_boxes(count: int, seed: int) -> torch.Tensor:
    low = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 60
    size = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed + 1)) * 50 + 2
    return torch.cat([low, low + size], 1)


@pytest.mark.parametrize("at_least_one", [True, False])
def test_owners_are_torchvisions(at_least_one: bool) -> None:
    people, boxes = some_boxes(5, 0), some_boxes(4000, 5)
    valid = torch.tensor([True, True, False, True, True])
    shared = overlaps(people[None], valid[None], boxes[None])
    torch.testing.assert_close(shared[0, valid], box_iou(people[valid], boxes))
    owner = owners_by_overlap(shared, 0.3, 0.6, at_least_one)[0]
    truth = Matcher(0.6, 0.3, allow_low_quality_matches=at_least_one)(box_iou(people[valid], boxes))
    slots = valid.nonzero().flatten()
    assert torch.equal(owner, torch.where(truth >= 0, slots[truth.clamp(min=0)], truth))
    assert len(owner.unique()) > 4


def test_people_whom_no_box_touches_own_none_and_nobody_owns_all() -> None:
    far, boxes = torch.tensor([[[900.0, 900, 950, 950]]]), some_boxes(20, 3)[None]
    for valid in (True, False):
        shared = overlaps(far, torch.tensor([[valid]]), boxes)
        assert (owners_by_overlap(shared, 0.3, 0.7, at_least_one=True) == -1).all()


def test_samples_are_balanced_and_random() -> None:
    torch.manual_seed(0)
    positive = torch.zeros(3, 100, dtype=torch.bool)
    positive[0, :50], positive[1, :3] = True, True
    negative = ~positive
    negative[2] = False
    chosen = balanced(positive, negative, 20, 0.25)
    assert (chosen & positive).sum(1).tolist() == [5, 3, 0]
    assert (chosen & negative).sum(1).tolist() == [15, 17, 0]
    times = torch.stack([balanced(positive, negative, 20, 0.25) for _ in range(400)]).float().mean(0)
    assert (times[0, :50] - 0.1).abs().max() < 0.07 and (times[0, 50:] - 0.3).abs().max() < 0.1


def test_cover_is_the_share_of_masked_pixels() -> None:
    mask = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(0)) > 0.6
    boxes = torch.tensor([[[3.0, 4, 20, 30], [-10, 5, 10, 100]], [[0, 0, 50, 40], [7, 7, 8, 8]]])
    found = covered(mask, boxes)
    for b, n in ((b, n) for b in range(2) for n in range(2)):
        x1, y1, x2, y2 = boxes[b, n].clamp(min=0).int().tolist()
        assert found[b, n] == pytest.approx(float(mask[b, y1:y2, x1:x2].float().mean()))


def test_anchors_are_torchvisions() -> None:
    canvas, grids = (96, 160), [(24, 40), (3, 5), (2, 3)]
    sizes, ratios = ((32, 48), (64, 96), (128, 192)), (0.5, 1.0, 2.0)
    images = ImageList(torch.zeros(1, 3, *canvas), [canvas])
    truth = AnchorGenerator(sizes, (ratios,) * 3)(images, [torch.zeros(1, 4, *g) for g in grids])[0]
    ours = torch.cat([grid_anchors(cell_anchors(s, ratios), g, canvas) for s, g in zip(sizes, grids, strict=True)])
    torch.testing.assert_close(ours, truth)


def test_deltas_are_torchvisions() -> None:
    scale = (10.0, 10.0, 5.0, 5.0)
    coder, boxes, anchors = BoxCoder(scale), some_boxes(30, 1), some_boxes(30, 9)
    torch.testing.assert_close(
        to_deltas(boxes, anchors, scale), coder.encode([boxes], [anchors])[0], atol=1e-5, rtol=1e-5
    )
    large = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)) * 20
    torch.testing.assert_close(
        from_deltas(large, anchors, scale), coder.decode(large, [anchors])[:, 0], atol=1e-3, rtol=1e-5
    )
