"""YOLOv4: as large as published, boxes where darknet puts them, the anchors that darknet makes responsible."""

import math

import pytest
import torch
from torch import nn

from armature.architectures.posted.anchors import detector_targets
from armature.architectures.posted.yolov4 import YOLOv4
from armature.architectures.protocol import synthetic_batch
from armature.errors import ConfigError
from armature.layers.backbone import Backbone
from armature.structures import Batch, Outputs

ANCHORS = [
    [[12, 16], [19, 36], [40, 28]],
    [[36, 75], [76, 55], [72, 146]],
    [[142, 110], [192, 243], [459, 401]],
]


class Still(nn.Module):
    """A backbone of three levels that answers zeros."""

    channels, strides = [8, 8, 8], [8, 16, 32]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        b, _, h, w = images.shape
        return [images.new_zeros(b, 8, h // s, w // s) for s in self.strides]


def small(**options: object) -> YOLOv4:
    torch.manual_seed(0)
    return YOLOv4(Still(), ANCHORS, **options).eval()  # type: ignore[arg-type]


def outputs(batch: int = 2, size: tuple[int, int] = (128, 128)) -> Outputs:
    with torch.no_grad():
        return small()(torch.zeros(batch, 3, *size))


def people(boxes: list[list[float]], size: tuple[int, int] = (128, 128)) -> Batch:
    batch = synthetic_batch(1, size)
    batch.instances.boxes = torch.tensor(boxes).expand(2, -1, 4).clone()
    batch.instances.valid = torch.tensor([[True] * len(boxes), [False] * len(boxes)])
    return batch


def test_it_is_yolov4_cfg_in_parameters_and_operations() -> None:
    with torch.device("meta"):
        net = YOLOv4(Backbone("cspdarknet53", strides=[8, 16, 32], options={"act_layer": "mish"}), ANCHORS, classes=80)
    assert sum(p.numel() for p in net.parameters()) == 64_363_101
    operations, net = 0, net.eval()

    def count(module: nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal operations
        operations += 2 * module.weight.numel() * out.shape[-1] * out.shape[-2]

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    levels = net.neck(net.backbone.net(torch.zeros(1, 3, 608, 608, device="meta")))
    for head, level in zip(net.heads, levels, strict=True):
        head(level)
    assert operations / 1e9 == pytest.approx(128.459, abs=0.1)  # darknet counts 0.07 for what is no convolution


def test_boxes_are_where_darknet_puts_them() -> None:
    net = small(classes=2)
    maps = torch.randn(1, 3 * 7, 4, 5)
    raw, boxes = net._level(1, maps)
    assert boxes.shape == (1, 60, 4) and raw.shape == (1, 60, 3)
    i = 0
    for row in range(4):
        for column in range(5):
            for a in range(3):
                tx, ty, tw, th, *rest = maps[0, 7 * a : 7 * a + 7, row, column].tolist()
                x = (1.1 / (1 + math.exp(-tx)) - 0.05 + column) * 16
                y = (1.1 / (1 + math.exp(-ty)) - 0.05 + row) * 16
                w, h = ANCHORS[1][a][0] * math.exp(tw), ANCHORS[1][a][1] * math.exp(th)
                expected = torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
                torch.testing.assert_close(boxes[0, i], expected, atol=1e-3, rtol=1e-4)
                torch.testing.assert_close(raw[0, i], torch.tensor(rest))
                i += 1


def shape_iou(a: list[float], b: list[float]) -> float:
    shared = min(a[0], b[0]) * min(a[1], b[1])
    return shared / (a[0] * a[1] + b[0] * b[1] - shared)


@pytest.mark.parametrize("box", [[30.0, 20, 70, 100], [3.0, 3, 15, 20], [-40.0, 10, 200, 130], [90.5, 40, 140, 61]])
def test_the_responsible_anchors_are_those_of_a_plain_loop(box: list[float]) -> None:
    said = outputs()
    targets = detector_targets(said, people([box]))
    size = [box[2] - box[0], box[3] - box[1]]
    alike = {(v, a): shape_iou(size, ANCHORS[v][a]) for v in range(3) for a in range(3)}
    best = max(alike, key=lambda key: alike[key])
    expected, first = set(), 0
    for v, stride in enumerate((8, 16, 32)):
        cells = 128 // stride
        column = min(max(int((box[0] + box[2]) / 2 // stride), 0), cells - 1)
        row = min(max(int((box[1] + box[3]) / 2 // stride), 0), cells - 1)
        expected |= {first + (row * cells + column) * 3 + a for a in range(3) if (v, a) == best or alike[v, a] > 0.213}
        first += cells * cells * 3
    found = set(targets["objectness"].value[0].nonzero().flatten().tolist())
    assert found == expected
    assert (targets["boxes"].value[0, sorted(found)] == torch.tensor(box)).all()
    assert targets["objectness"].value[1].sum() == 0 and targets["boxes"].weight[1].sum() == 0


def test_of_two_people_who_claim_an_anchor_the_more_alike_gets_it() -> None:
    a, b = [40.0, 20.0, 76.0, 95.0], [44.0, 30.0, 70.0, 87.0]  # a has the shape of the anchor 36x75
    targets = detector_targets(outputs(), people([b, a]))
    mine = targets["boxes"].weight[0, :, 0] > 0
    row, column = 57 // 16, 58 // 16
    place = 16 * 16 * 3 + (row * 8 + column) * 3
    assert mine[place] and (targets["boxes"].value[0, place] == torch.tensor(a)).all()


def test_who_is_found_already_or_ignored_is_no_negative() -> None:
    said, batch = outputs(), people([[30.0, 20, 70, 100]])
    said["boxes"][0, 5] = torch.tensor([31.0, 20, 70, 100])
    batch.ignore[1, :64] = True
    targets = detector_targets(said, batch)
    weight = targets["objectness"].weight
    positive = targets["objectness"].value[0] > 0
    assert weight[0, 5] == 0 and not positive[5] and weight[0].sum() == weight.shape[1] - 1
    assert weight[1].sum() == weight.shape[1] / 2 and (weight[1, : 8 * 16 * 3] == 0).all()


def test_find_answers_the_best_boxes_of_each_image_suppressed() -> None:
    net, said = small(min_score=0.3, overlap=0.5, most=2), outputs()
    said["objectness"][:] = -9
    said["classes"][:] = 9
    for at, (box, score) in enumerate(
        [([0, 0, 20, 40], 3.0), ([1, 0, 20, 40], 2.0), ([50, 0, 90, 90], 1.0), ([60, 60, 90, 90], 0.5)]
    ):
        said["boxes"][0, at], said["objectness"][0, at] = torch.tensor(box).float(), score
    found = net.find(torch.zeros(2, 3, 128, 128), said)
    assert found[0].boxes.tolist() == [[0, 0, 20, 40], [50, 0, 90, 90]] and len(found[1].boxes) == 0
    torch.testing.assert_close(found[0].scores, torch.tensor([3.0, 1.0]).sigmoid() * torch.tensor(9.0).sigmoid())


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 levels"):
        YOLOv4(Still(), ANCHORS[:2])
