"""The published CenterNets: parameter counts, shapes, and the names of the released weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from armature.architectures.centernet.released import MEAN, STD, convert
from armature.architectures.protocol import check, synthetic_batch
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError

pytestmark = pytest.mark.slow  # networks of the published size

#: Head names of the released code and their channels.
HEADS = {"hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_hp": 17, "hp_offset": 2}
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def model(name: str) -> nn.Module:
    config = compose("train", [f"architecture={name}"])
    with torch.device("meta"):
        return build(config.model)


def conv(name: str, out: int, inp: int, kernel: int, bias: bool = False) -> Shapes:
    yield f"{name}.weight", (out, inp, kernel, kernel)
    if bias:
        yield f"{name}.bias", (out,)


def norm(name: str, width: int) -> Shapes:
    yield from ((f"{name}.{part}", (width,)) for part in ("weight", "bias", "running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def block(name: str, out: int, inp: int) -> Shapes:
    for i, channels in ((1, inp), (2, out)):
        yield from conv(f"{name}.conv{i}", out, channels, 3)
        yield from norm(f"{name}.bn{i}", out)


def tree(name: str, inp: int, out: int, root: int, project: bool = True) -> Shapes:
    """A tree of one level."""
    yield from block(f"{name}.tree1", out, inp)
    yield from block(f"{name}.tree2", out, out)
    yield from conv(f"{name}.root.conv", out, root, 1)
    yield from norm(f"{name}.root.bn", out)
    if project:
        yield from projection(f"{name}.project", out, inp)


def projection(name: str, out: int, inp: int, kernel: int = 1) -> Shapes:
    yield from conv(f"{name}.0", out, inp, kernel)
    yield from norm(f"{name}.1", out)


def deformable(name: str, out: int, inp: int) -> Shapes:
    yield from norm(f"{name}.actf.0", out)
    yield from conv(f"{name}.conv", out, inp, 3, bias=True)
    yield from conv(f"{name}.conv.conv_offset_mask", 27, inp, 3, bias=True)


def aggregation(name: str, channels: list[int], factors: list[int]) -> Shapes:
    width = channels[0]
    for i, (inp, factor) in enumerate(zip(channels[1:], factors, strict=True), 1):
        yield from deformable(f"{name}.proj_{i}", width, inp)
        yield f"{name}.up_{i}.weight", (width, 1, 2 * factor, 2 * factor)
        yield from deformable(f"{name}.node_{i}", width, width)


def dla34() -> Shapes:
    """Every tensor of the released multi-pose DLA-34, as its code names them (pose_dla_dcn.py)."""
    for name, out, inp, kernel in (("base_layer", 16, 3, 7), ("level0", 16, 16, 3), ("level1", 32, 16, 3)):
        yield from projection(f"base.{name}", out, inp, kernel)
    yield from tree("base.level2", 32, 64, 128)
    for name, inp, out in (("level3", 64, 128), ("level4", 128, 256)):
        yield from tree(f"base.{name}.tree1", inp, out, 2 * out)
        yield from tree(f"base.{name}.tree2", out, out, 3 * out + inp, project=False)
        yield from projection(f"base.{name}.project", out, inp)  # its result is overwritten
    yield from tree("base.level5", 256, 512, 1024 + 256)
    yield from conv("base.fc", 1000, 512, 1, bias=True)
    yield from aggregation("dla_up.ida_0", [256, 512], [2])
    yield from aggregation("dla_up.ida_1", [128, 256, 256], [2, 2])
    yield from aggregation("dla_up.ida_2", [64, 128, 128, 128], [2, 2, 2])
    yield from aggregation("ida_up", [64, 128, 256], [2, 4])
    for head, count in HEADS.items():
        yield from conv(f"{head}.0", 256, 64, 3, bias=True)
        yield from conv(f"{head}.2", count, 256, 1, bias=True)


def residual(name: str, out: int, inp: int, skip: bool = False) -> Shapes:
    yield from block(name, out, inp)
    if skip:
        yield from projection(f"{name}.skip", out, inp)


def level(name: str, widths: list[int]) -> Shapes:
    here, below = widths[:2]
    for i in range(2):
        yield from residual(f"{name}.up1.{i}", here, here)
    yield from residual(f"{name}.low1.0", below, here, skip=True)
    yield from residual(f"{name}.low1.1", below, below)
    yield from residual(f"{name}.low3.0", below, below)
    yield from residual(f"{name}.low3.1", here, below, skip=here != below)
    if len(widths) == 2:
        for i in range(4):
            yield from residual(f"{name}.low2.{i}", below, below)
    else:
        yield from level(f"{name}.low2", widths[1:])


def hourglass104() -> Shapes:
    """Every tensor of the released multi-pose Hourglass-104 (large_hourglass.py)."""
    yield from conv("pre.0.conv", 128, 3, 7)
    yield from norm("pre.0.bn", 128)
    yield from residual("pre.1", 256, 128, skip=True)
    for s in range(2):
        yield from level(f"kps.{s}", [256, 256, 384, 384, 384, 512])
        yield from conv(f"cnvs.{s}.conv", 256, 256, 3)
        yield from norm(f"cnvs.{s}.bn", 256)
        for head, count in HEADS.items():
            yield from conv(f"{head}.{s}.0.conv", 256, 256, 3, bias=True)
            yield from conv(f"{head}.{s}.1", count, 256, 1, bias=True)
    yield from residual("inters.0", 256, 256)
    yield from projection("inters_.0", 256, 256)
    yield from projection("cnvs_.0", 256, 256)


def tensors(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes}


@pytest.mark.parametrize(
    ("name", "released", "count"),
    [("centernet", dla34, 20_070_618), ("centernet_hourglass104", hourglass104, 194_811_124)],
)
def test_the_released_tensors_are_ours_by_name_and_shape(name: str, released, count: int) -> None:  # type: ignore[no-untyped-def]
    ours = model(name)
    assert sum(p.numel() for p in ours.parameters()) == count
    found = ours.load_state_dict(convert(tensors(released())), strict=True, assign=True)
    assert not found.missing_keys and not found.unexpected_keys


def test_only_the_classifier_and_two_overwritten_projections_are_left_out() -> None:
    released = tensors(dla34())
    learned = [v for n, v in released.items() if "running" not in n and "num_batches" not in n]
    ours = sum(p.numel() for p in model("centernet").parameters())
    assert sum(v.numel() for v in learned) - ours == 513_000 + 64 * 128 + 2 * 128 + 128 * 256 + 2 * 256


def test_a_prefix_of_parallel_training_is_dropped_and_strange_names_are_refused() -> None:
    assert "backbone.net.level5.root.bn.weight" in convert({"module.base.level5.root.bn.weight": torch.ones(512)})
    with pytest.raises(ConfigError, match="no tensor of the released"):
        convert({"base.level5.root.bn.weight": torch.ones(1), "deconv_layers.0.weight": torch.ones(1)})


def test_bgr_normalised_by_the_released_statistics_is_what_the_first_convolution_sees() -> None:
    images = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(16, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    mean, std = (0.40789654, 0.44719302, 0.47026115), (0.28863828, 0.27408164, 0.27809835)  # BGR: coco_hp.py
    bgr = torch.stack([(images[0, 2 - c] - mean[c]) / std[c] for c in range(3)])[None]
    expected = nn.functional.conv2d(bgr, kernel, padding=3)
    ours = convert({"base.base_layer.0.weight": kernel})["backbone.net.base_layer.0.weight"]
    rgb = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(nn.functional.conv2d(rgb, ours, padding=3), expected)


@pytest.mark.parametrize("name", ["centernet", "centernet_hourglass104"])
def test_the_configs_carry_the_released_statistics(name: str) -> None:
    backbone = compose("train", [f"architecture={name}"]).model.backbone
    assert tuple(backbone.mean) == MEAN and tuple(backbone.std) == STD


def shapes(outputs: dict[str, torch.Tensor], stages: tuple[int, ...], grid: int) -> None:
    expected = {
        "center": (1,),
        "size": (2,),
        "offset": (2,),
        "joints": (17, 2),
        "heatmaps": (17,),
        "joint_offset": (2,),
    }
    assert {n: tuple(v.shape) for n, v in outputs.items()} == {
        n: (*stages, 1, *c, grid, grid) for n, c in expected.items()
    }


def test_the_published_hourglass_gives_two_stages_of_stride_4() -> None:
    shapes(model("centernet_hourglass104")(torch.empty(1, 3, 512, 512, device="meta")), (2,), 128)


@torch.no_grad()
def test_the_published_dla_gives_stride_4() -> None:
    shapes(built(["architecture=centernet"])[0].eval()(torch.rand(1, 3, 96, 96)), (), 24)


SMALL_HOURGLASS = [
    "architecture=centernet_hourglass104",
    "model.backbone.channels=[8,8,16]",
    "model.backbone.blocks=[1,1,2]",
    "model.backbone.stem=8",
    "model.head_channels=8",
    "model.divisor=16",
]
SMALL_DLA = ["architecture=centernet", "model.head_channels=8"]


def built(overrides: list[str]):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    config = compose("train", overrides)
    return build(config.model), build(config.codec), build(config.loss)


@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
def test_stacks_are_stages_of_the_same_outputs_on_any_canvas(size: tuple[int, int]) -> None:
    net, codec, loss = built(SMALL_HOURGLASS)
    check(net, codec, loss, 17, size)
    outputs = net.eval()(torch.rand(1, 3, *size))
    assert outputs["center"].shape == (2, 1, 1, -(-size[0] // 4), -(-size[1] // 4))
    last = {n: v[-1] for n, v in outputs.items()}
    for a, b in itertools.product(codec.decode(outputs, (1, *size)), codec.decode(last, (1, *size))):
        torch.testing.assert_close(a.keypoints, b.keypoints)
    merged = codec.unflip(outputs, {n: v.flip(-1) for n, v in outputs.items()})
    assert merged["center"].shape == last["center"].shape


def test_every_stack_learns() -> None:
    net, codec, loss = built(SMALL_HOURGLASS)
    batch = synthetic_batch(17, (64, 64))
    outputs = net(batch.images)
    targets = codec.encode({n: v.detach() for n, v in outputs.items()}, batch)
    losses = loss(outputs, targets)
    losses["total"].backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []
    each = [loss({n: v[s] for n, v in outputs.items()}, targets)["total"] for s in range(2)]
    torch.testing.assert_close(losses["total"], sum(each) / 2)  # released: every stack's loss / num_stacks


def test_dla_takes_a_canvas_that_32_does_not_divide() -> None:
    net, codec, loss = built(SMALL_DLA)
    check(net, codec, loss, 17, (40, 33))
    images = torch.rand(1, 3, 40, 33)
    net.eval()
    with torch.no_grad():
        outputs, whole = net(images), net(nn.functional.pad(images, (0, 31, 0, 24), mode="replicate"))
    assert outputs["joints"].shape == (1, 17, 2, 10, 9)
    torch.testing.assert_close(outputs["joints"], whole["joints"][..., :10, :9])
