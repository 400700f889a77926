"""OpenPose's networks against the sizes of the released files and their shapes; released weights under our names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from armature.architectures.openpose import released
from armature.architectures.openpose.model import OpenPose
from armature.architectures.openpose.stages import FieldsFirstStages, LightStages, TwoBranchStages
from armature.architectures.openpose.trunks import VGG, MobileNet
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError
from armature.skeletons import load

pytestmark = pytest.mark.slow  # networks of the published size

PERSON = load("conf/skeleton/coco_person.yaml")
NECK = {"neck": ["left_shoulder", "right_shoulder"]}
LIMBS = [[released.PARTS[a], released.PARTS[b]] for a, b in released.LIMBS]


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for m in modules for p in m.parameters())


def test_parameters_fill_the_released_files() -> None:
    """Bytes of the release's .caffemodel files, which hold names beside float32 numbers; 4.1 million by the paper."""
    with torch.device("meta"):
        body_25 = parameters(VGG("prelu"), FieldsFirstStages(128, 26, 52))
        light = parameters(MobileNet(), LightStages(128, 19, 38))
        coco = parameters(VGG(), TwoBranchStages(128, 19, 38))
    assert 0 < 209_274_056 - 4 * coco < 60_000
    assert 0 < 104_715_850 - 4 * body_25 < 60_000
    assert round(light / 1e6, 1) == 4.1


def test_the_first_ten_convolutions_are_those_of_vgg_19() -> None:
    import torchvision

    with torch.device("meta"):
        theirs = torchvision.models.vgg19().features[:22].state_dict()
        ours = VGG().vgg.state_dict()
    assert {n: v.shape for n, v in ours.items()} == {n: v.shape for n, v in theirs.items()}


@pytest.mark.parametrize(
    ("name", "stages", "parts", "limbs"),
    [("openpose", (6, 6), 18, 19), ("openpose_body25", (2, 4), 19, 20), ("openpose_light", (2, 2), 18, 19)],
)
def test_every_stage_is_emitted(name: str, stages: tuple[int, int], parts: int, limbs: int) -> None:
    narrow = {"openpose": ["stages.width=8"], "openpose_body25": ["stages.width=8", "stages.later_width=8"]}
    config = compose("train", [f"architecture={name}", *(f"model.{o}" for o in narrow.get(name, []))])
    model = build(config.model).eval()
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, 33, 48))
    assert outputs["heatmaps"].shape == (stages[0], 1, parts + 1, 5, 6)
    assert outputs["pafs"].shape == (stages[1], 1, limbs, 2, 5, 6)


# ---------------------------------------------------------------------- released weights

#: (kernel, channels in, channels out) of the trunk.
TRUNK = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 3, (256, 512), (512, 512)]
WIDTHS = [*TRUNK, (512, 256), (256, 128)]


def made_up(style: str) -> dict[str, Tensor]:
    """Weights with the release's shapes under the names of the release or of a port."""
    generator = torch.Generator().manual_seed(3)
    layers: list[tuple[str, str, int, int, int]] = []
    caffe = [f"conv{b}_{i}" for b, n in ((1, 2), (2, 2), (3, 4), (4, 2)) for i in range(1, n + 1)]
    caffe += ["conv4_3_CPM", "conv4_4_CPM"]
    layers += [(c, f"model0.{i}", 3, a, b) for i, (c, (a, b)) in enumerate(zip(caffe, WIDTHS, strict=True))]
    for stage in range(1, 7):
        for branch, out in ((1, 38), (2, 19)):
            widths = [(3, 128, 128)] * 3 + [(1, 128, 512), (1, 512, out)]
            if stage > 1:
                widths = [(7, 185, 128), *[(7, 128, 128)] * 4, (1, 128, 128), (1, 128, out)]
            for i, (k, a, b) in enumerate(widths, 1):
                name = f"Mconv{i}_stage{stage}_L{branch}" if stage > 1 else f"conv5_{i}_CPM_L{branch}"
                layers.append((name, f"model{stage}_{branch}.{2 * i - 2}", k, a, b))
    weights = {}
    for name, port, k, a, b in layers:
        prefix = {"caffe": name, "port": port, "named": f"module.{port.split('.')[0]}.{name}"}[style]
        weights[f"{prefix}.weight"] = torch.randn(b, a, k, k, generator=generator) * (2 / (a * k * k)) ** 0.5
        weights[f"{prefix}.bias"] = torch.randn(b, generator=generator) * 0.01
    return weights


def reference(weights: dict[str, Tensor], image: Tensor) -> tuple[Tensor, Tensor]:
    """Fields and heatmaps of the last stage in the release's own order, layer by layer, from Caffe's names."""

    def conv(x: Tensor, name: str) -> Tensor:
        kernel = weights[f"{name}.weight"]
        return F.conv2d(x, kernel, weights[f"{name}.bias"], padding=kernel.shape[-1] // 2)

    x = (image.flip(1) * 255) / 256 - 0.5  # BGR bytes
    for block, n in ((1, 2), (2, 2), (3, 4), (4, 2)):
        for i in range(1, n + 1):
            x = conv(x, f"conv{block}_{i}").relu()
        x = F.max_pool2d(x, 2) if block < 4 else x
    features = conv(conv(x, "conv4_3_CPM").relu(), "conv4_4_CPM").relu()
    x = features
    for stage in range(1, 7):
        both = []
        for branch in (1, 2):
            y, last = x, 5 if stage == 1 else 7
            for i in range(1, last + 1):
                y = conv(y, f"conv5_{i}_CPM_L{branch}" if stage == 1 else f"Mconv{i}_stage{stage}_L{branch}")
                y = y.relu() if i < last else y
            both.append(y)
        x = torch.cat([*both, features], 1)
    return both[0], both[1]


@pytest.fixture(scope="module")
def model() -> OpenPose:
    trunk = VGG(mean=released.MEAN, std=released.STD)
    return OpenPose(PERSON, trunk, TwoBranchStages, NECK, LIMBS).eval()


def test_released_weights_say_the_same_in_our_order(model: OpenPose) -> None:
    weights = made_up("caffe")
    model.load_state_dict(released.convert(weights, model, PERSON, NECK, LIMBS), strict=True)
    image = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs, (fields, heat) = model(image), reference(weights, image)
    # Of the release: part 4 is the right wrist; the field from neck to nose has channels 28 and 29.
    ours, theirs = outputs["heatmaps"][-1, 0], heat[0]
    torch.testing.assert_close(ours[PERSON.keypoints.index("right_wrist")], theirs[4], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(ours[17], theirs[1], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(ours[18], theirs[18], atol=1e-4, rtol=1e-3)
    neck_to_nose = LIMBS.index(["neck", "nose"])
    torch.testing.assert_close(outputs["pafs"][-1, 0, neck_to_nose], fields[0, 28:30], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("style", ["port", "named"])
def test_ports_names_are_the_same_weights(model: OpenPose, style: str) -> None:
    one = released.convert(made_up("caffe"), model, PERSON, NECK, LIMBS)
    other = released.convert(made_up(style), model, PERSON, NECK, LIMBS)
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_other_weights_parts_and_limbs_are_refused(model: OpenPose) -> None:
    weights = made_up("port")
    with pytest.raises(ConfigError, match="other limbs"):
        released.convert(weights, model, PERSON, NECK, [*LIMBS[1:], ["left_ear", "left_shoulder"]])
    with pytest.raises(ConfigError, match="parts"):
        released.convert(weights, model, PERSON)
    with pytest.raises(ConfigError, match="no layer"):
        released.convert({"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, model, PERSON, NECK, LIMBS)
    few = {n: v for n, v in weights.items() if not n.startswith("model6_2")}
    with pytest.raises(ConfigError, match="layers per"):
        released.convert(few, model, PERSON, NECK, LIMBS)
