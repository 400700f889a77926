"""YOLOv8-pose against a plain network written from the published layer table, with the reference's names."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from armature.architectures.protocol import synthetic_batch
from armature.architectures.yolo_pose.codec import YOLOPoseCodec
from armature.architectures.yolo_pose.model import YOLOPose
from armature.architectures.yolo_pose.released import convert, load, reference_name
from armature.errors import ConfigError
from armature.skeletons import load as load_skeleton
from armature.skeletons import make

PERSON = load_skeleton("conf/skeleton/coco_person.yaml")
#: depth, width, max_channels and the published million parameters of each size.
SIZES = {
    "n": (0.33, 0.25, 1024, 3.3),
    "s": (0.33, 0.50, 1024, 11.6),
    "m": (0.67, 0.75, 768, 26.4),
    "l": (1.0, 1.0, 512, 44.4),
    "x": (1.0, 1.25, 512, 69.4),
}
#: The published table: input layers, kind, repeats, channels, and shortcut or stride.
TABLE = [
    (-1, "conv", 1, 64),
    (-1, "conv", 1, 128),
    (-1, "c2f", 3, 128, True),
    (-1, "conv", 1, 256),
    (-1, "c2f", 6, 256, True),
    (-1, "conv", 1, 512),
    (-1, "c2f", 6, 512, True),
    (-1, "conv", 1, 1024),
    (-1, "c2f", 3, 1024, True),
    (-1, "sppf", 1, 1024),
    (-1, "up"),
    ((-1, 6), "cat"),
    (-1, "c2f", 3, 512, False),
    (-1, "up"),
    ((-1, 4), "cat"),
    (-1, "c2f", 3, 256, False),
    (-1, "conv", 1, 256),
    ((-1, 12), "cat"),
    (-1, "c2f", 3, 512, False),
    (-1, "conv", 1, 512),
    ((-1, 9), "cat"),
    (-1, "c2f", 3, 1024, False),
]


class Conv(nn.Module):
    def __init__(self, a: int, b: int, k: int = 1, s: int = 1) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(a, b, k, s, k // 2, bias=False), nn.BatchNorm2d(b, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return y * torch.sigmoid(y)


class Pair(nn.Module):
    def __init__(self, c: int, add: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 3), Conv(c, c, 3), add

    def forward(self, x: Tensor) -> Tensor:
        return self.cv2(self.cv1(x)) + (x if self.add else 0)


class Block(nn.Module):
    def __init__(self, a: int, b: int, n: int, add: bool) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(a, b), Conv(b // 2 * (2 + n), b)
        self.m = nn.ModuleList(Pair(b // 2, add) for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv1(x)
        half = y.shape[1] // 2
        parts = [y[:, :half], y[:, half:]]
        for m in self.m:
            parts.append(m(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class Pool(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(c, c // 2), Conv(c * 2, c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        pools = [nn.functional.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)]
        return self.cv2(torch.cat([x, *pools], 1))


class Detect(nn.Module):
    def __init__(self, channels: list[int], points: int) -> None:
        super().__init__()

        def branch(hidden: int, out: int) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(Conv(c, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, out, 1)) for c in channels
            )

        first = channels[0]
        self.cv2, self.cv3 = branch(max(16, first // 4, 64), 64), branch(first, 1)
        self.cv4 = branch(max(first // 4, points), points)
        self.dfl = nn.Module()
        self.dfl.conv = nn.Conv2d(16, 1, 1, bias=False)
        self.dfl.conv.weight.data[:] = torch.arange(16.0).view(1, 16, 1, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(B A 4 + 1 + 3K): boxes xyxy in px, score, and x, y, visibility of every point, as published."""
        rows = []
        for x, box, score, points, stride in zip(levels, self.cv2, self.cv3, self.cv4, (8, 16, 32), strict=True):
            b, _, h, w = x.shape
            sides = self.dfl.conv(box(x).view(b, 4, 16, h * w).transpose(1, 2).softmax(1))[:, 0]
            cell = torch.stack([torch.arange(h * w) % w, torch.arange(h * w) // w]).float()
            corners = [cell + 0.5 - sides[:, :2], cell + 0.5 + sides[:, 2:]]
            raw = points(x).view(b, -1, 3, h * w)
            where = (raw[:, :, :2] * 2 + cell) * stride
            pose = torch.cat([where, raw[:, :, 2:].sigmoid()], 2).flatten(1, 2)
            rows.append(torch.cat([*(c * stride for c in corners), score(x).flatten(2).sigmoid(), pose], 1))
        return torch.cat(rows, 2).mT


class Plain(nn.Module):
    """The published table, layer by layer."""

    def __init__(self, depth: float, width: float, most: int, points: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels: list[int] = []
        for source, kind, *rest in TABLE:
            before = [channels[s] for s in (source if isinstance(source, tuple) else (source,))] if channels else [3]
            if kind in ("up", "cat"):
                layers.append(nn.Upsample(scale_factor=2) if kind == "up" else nn.Identity())
                channels.append(sum(before))
                continue
            out = math.ceil(min(rest[1], most) * width / 8) * 8
            n = max(1, round(rest[0] * depth))
            made = {"conv": lambda a, o: Conv(a, o, 3, 2), "sppf": lambda a, o: Pool(o)}.get(kind)
            layers.append(made(before[0], out) if made else Block(before[0], out, n, rest[2]))
            channels.append(out)
        self.model = nn.ModuleList([*layers, Detect([channels[i] for i in (15, 18, 21)], points)])

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for (source, *_), layer in zip(TABLE, self.model, strict=False):
            if isinstance(source, tuple):
                x = torch.cat([kept[s] for s in source], 1)
            x = layer(x)
            kept.append(x)
        return self.model[-1]([kept[i] for i in (15, 18, 21)])


def shaken(net: nn.Module) -> nn.Module:
    """Weights and statistics that make every layer matter."""
    generator = torch.Generator().manual_seed(3)
    for name, value in net.state_dict().items():
        if name.endswith("running_var") or name.endswith("bn.weight"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif name.endswith(("running_mean", "bias")):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return net.eval()


@torch.no_grad()
def predictions(outputs: dict[str, Tensor]) -> Tensor:
    """Our outputs in the published layout: px, probabilities."""
    points, strides = outputs["anchors"], outputs["strides"][:, None]
    boxes = outputs["boxes"] * strides + torch.cat([points, points], 1)
    joints = outputs["keypoints"] * strides[..., None] + points[:, None]
    pose = torch.cat([joints, outputs["visibility"].sigmoid()[..., None]], -1).flatten(2)
    return torch.cat([boxes, outputs["scores"].sigmoid(), pose], -1)


@pytest.mark.parametrize("size", SIZES)
def test_the_number_of_parameters_is_the_published_one(size: str) -> None:
    depth, width, most, millions = SIZES[size]
    with torch.device("meta"):
        ours, plain = YOLOPose(PERSON, depth, width, most), Plain(depth, width, most, 51)
    count = sum(p.numel() for p in ours.parameters())
    assert count == sum(p.numel() for p in plain.parameters())
    assert abs(count / 1e6 - millions) < 0.1
    if size == "n":
        assert count == 3_295_470


@pytest.mark.parametrize("size", ["n", "m"])
def test_weights_with_the_references_names_give_the_references_predictions(size: str) -> None:
    torch.manual_seed(0)
    depth, width, most, _ = SIZES[size]
    width /= 4  # smaller than published, of the same structure
    plain, ours = shaken(Plain(depth, width, most, 51)), YOLOPose(PERSON, depth, width, most).eval()
    ours.load_state_dict(convert(plain.state_dict(), ours), strict=True)
    images = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(predictions(ours(images)), plain(images), atol=2e-4, rtol=1e-4)


def test_a_file_of_plain_tensors_is_loaded_and_comes_back_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    one, two = YOLOPose(PERSON, width=0.125), YOLOPose(PERSON, width=0.125)
    state = {reference_name(name): value for name, value in one.state_dict().items()}
    assert {"model.0.conv.weight", "model.2.m.0.cv1.bn.running_var", "model.22.cv4.2.2.bias"} <= set(state)
    assert "model.22.dfl.conv.weight" in state and len(state) == len(one.state_dict())
    torch.save(state, tmp_path / "tensors.pt")
    load(two, tmp_path / "tensors.pt")
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(one.eval()(images).values(), two.eval()(images).values(), strict=True):
            torch.testing.assert_close(a, b, atol=0, rtol=0)


class Anything:
    """What a pickle may hold."""


def test_what_does_not_fit_is_named_and_no_pickle_is_executed(tmp_path: Path) -> None:
    model = YOLOPose(PERSON, width=0.125)
    state = {reference_name(name): value for name, value in model.state_dict().items()}
    with pytest.raises(ConfigError, match="fused"):
        convert({n.replace(".bn.bias", ".conv.bias"): v for n, v in state.items()}, model)
    with pytest.raises(ConfigError, match="another size or K"):
        convert(state, YOLOPose(PERSON, width=0.25))
    torch.save({"model": Anything()}, tmp_path / "whole.pt")
    with pytest.raises(ConfigError, match="plain tensors"):
        load(model, tmp_path / "whole.pt")
    with pytest.raises(ConfigError, match=r"nothing\.pt"):
        load(model, tmp_path / "nothing.pt")


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (70, 96)])
def test_anchors_are_the_middles_of_cells_on_the_canvas(size: tuple[int, int]) -> None:
    """A canvas that 32 does not divide is padded on both sides; anchors stay in the frame of the canvas."""
    model = YOLOPose(make("one", ["tip"]), width=0.125).eval()
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, *size))
    height, width = (math.ceil(v / 32) * 32 for v in size)
    left, top = (width - size[1]) // 2, (height - size[0]) // 2
    expected = [
        (x * s + s / 2 - left, y * s + s / 2 - top)
        for s in (8, 16, 32)
        for y in range(height // s)
        for x in range(width // s)
    ]
    torch.testing.assert_close(outputs["anchors"], torch.tensor(expected))
    assert outputs["keypoints"].shape == (1, len(expected), 1, 2)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="bins=1"):
        YOLOPose(PERSON, bins=1)
    with pytest.raises(ConfigError, match="finest=16 is not a stride"):
        YOLOPose(PERSON, finest=16)
    with pytest.raises(ConfigError, match="levels=4"):
        YOLOPose(PERSON, levels=4)
    with pytest.raises(ConfigError, match=r"bones is no branch; there are boxes, scores, keypoints"):
        YOLOPose(PERSON, hidden={"bones": 8})


@pytest.mark.parametrize("size", [(128, 128), (97, 131)])
def test_heatmaps_peak_at_the_labelled_points_and_the_finest_level_is_at_stride_four(size: tuple[int, int]) -> None:
    model = YOLOPose(PERSON, width=0.25, finest=4, heatmaps=True)
    batch = synthetic_batch(PERSON.count, size)
    outputs = model(batch.images)
    assert sorted(set(outputs["strides"].tolist())) == [4, 8, 16]
    target = YOLOPoseCodec(PERSON).encode(outputs, batch)["heatmaps"]
    height, width = outputs["heatmaps"].shape[-2:]
    left, top = (outputs["anchors"][0] - 2).tolist()
    people = batch.instances
    expected = torch.zeros_like(target.value, dtype=torch.bool)
    for b, m, k in ((people.visibility > 0) & people.valid[..., None]).nonzero().tolist():
        x, y = people.keypoints[b, m, k].tolist()
        column, row = math.floor((x - left) / 4), math.floor((y - top) / 4)
        if 0 <= column < width and 0 <= row < height:
            expected[b, k, row, column] = True
    assert expected.any()
    assert torch.equal(target.value == 1, expected)
    # Cells whose middle is under the mask teach nothing but their peaks; columns are those of the canvas.
    batch.ignore[:, :, : size[1] // 2] = True
    weight = YOLOPoseCodec(PERSON).encode(outputs, batch)["heatmaps"].weight
    middle = torch.arange(width) * 4 + 2 + left
    free = (middle.floor() >= size[1] // 2).expand(height, width)
    assert torch.equal(weight > 0, free | expected)


def test_people_may_be_found_at_the_coarser_levels_only_with_branches_of_any_width() -> None:
    model = YOLOPose(PERSON, width=0.25, bins=8, finest=4, levels=2, hidden={"keypoints": 96}).eval()
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, 64, 64))
    assert outputs["strides"].tolist() == [8.0] * 64 + [16.0] * 16
    assert [branch[1].conv.weight.shape[:2] for branch in model.head.keypoints] == [(96, 96)] * 2
    assert [branch[0].conv.weight.shape[:2] for branch in model.head.scores] == [(64, 64), (64, 128)]  # as published


def forged(size: tuple[int, int]) -> tuple[dict[str, Tensor], Tensor]:
    """Outputs of two people whose keypoints lie 3 px beside where they belong, and those places (2 K 2)."""
    model = YOLOPose(PERSON, width=0.125, finest=4, levels=2, heatmaps=True).eval()
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, *size))
    anchors, strides, grid = outputs["anchors"], outputs["strides"], outputs["heatmap_grid"]
    outputs["scores"] = torch.full_like(outputs["scores"], -20.0)
    outputs["heatmaps"] = torch.full_like(outputs["heatmaps"], -9.0)
    places = torch.zeros(2, PERSON.count, 2)
    for person, (x, y) in enumerate(((20.0, 44.0), (76.0, 52.0))):
        a = int((anchors - torch.tensor([x, y])).square().sum(1).argmin())
        box = torch.tensor([x - 18, y - 40, x + 18, y + 40])
        outputs["scores"][0, a] = 2.0 - person
        outputs["boxes"][0, a] = (box - anchors[a].repeat(2)) / strides[a]
        for k in range(PERSON.count):
            column, row = int((x - 12 + k - grid[0]) // 4), int((y - 30 + 3 * k - grid[1]) // 4)
            if k != 5:  # has no peak
                outputs["heatmaps"][0, k, row, column] = 4.0 - person
            places[person, k] = grid[:2] + (torch.tensor([column, row]) + 0.5) * 4
        outputs["keypoints"][0, a] = (places[person] + 3 - anchors[a]) / strides[a]
    places[:, 5] += 3
    return outputs, places


@pytest.mark.parametrize("size", [(96, 96), (91, 109)])
def test_keypoints_snap_to_the_peaks_of_their_heatmaps(size: tuple[int, int]) -> None:
    outputs, places = forged(size)
    codec = YOLOPoseCodec(PERSON, min_score=0.3, snap_score=0.5, max_people=5, score="box*keypoints")
    (found,) = codec.decode(outputs, (1, *size))
    torch.testing.assert_close(found.keypoints, places, atol=0.02, rtol=0)
    for person, score in enumerate(found.scores.tolist()):
        box, peak, nothing = (1 / (1 + math.exp(-v)) for v in (2.0 - person, 4.0 - person, -9.0))
        mean = (peak * (PERSON.count - 1) + nothing) / PERSON.count
        assert score == pytest.approx(box * mean, rel=1e-4)
    slots = codec.fixed(outputs, size)
    torch.testing.assert_close(slots.keypoints[0, :2], found.keypoints)
    torch.testing.assert_close(slots.scores[0, :2], found.scores)
    (plain,) = YOLOPoseCodec(PERSON, min_score=0.3).decode(outputs, (1, *size))
    torch.testing.assert_close(plain.keypoints[:, :5], places[:, :5] + 3)


def test_snapping_without_heatmaps_says_so() -> None:
    outputs, _ = forged((96, 96))
    outputs.pop("heatmaps")
    with pytest.raises(ConfigError, match=r"set model\.heatmaps=true or codec\.snap_score=null"):
        YOLOPoseCodec(PERSON, snap_score=0.3).decode(outputs, (1, 96, 96))
    with pytest.raises(ConfigError, match=r"set codec\.snap_score"):
        YOLOPoseCodec(PERSON, score="box*keypoints")
    with pytest.raises(ConfigError, match=r"codec\.score=best"):
        YOLOPoseCodec(PERSON, score="best")  # type: ignore[arg-type]
