"""What a graph would answer is what the codec decodes, for every small architecture; or a sentence says why not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from armature import config_folders
from armature.building import build
from armature.configuration import compose
from armature.data.dataset import KeypointDataset, collate
from armature.data.synthetic import Synthetic
from armature.errors import ConfigError
from armature.exporting.graph import PEOPLE, plan, poses, said
from armature.skeletons import load
from armature.structures import Poses

ALL = config_folders.groups()["architecture"]
SMALL = [name for name in ALL if name.endswith("_tiny")]
#: Who puts people together by what no graph has.
NETWORK_ONLY = ("openpose_tiny", "posted_matched_tiny")
PERSON = load(config_folders.project() / "skeleton" / "coco_person.yaml")


def timed(name: str) -> Any:
    """The name; networks of two stages take seconds."""
    return pytest.param(name, marks=pytest.mark.slow if name.startswith(("posted", "keypoint")) else ())


def parts(name: str, *overrides: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    config = compose("train", [f"architecture={name}", *overrides])
    return build(config.model).eval(), build(config.codec)


def drawn(count: int = 4, size: tuple[int, int] = (128, 128)) -> torch.Tensor:
    dataset = KeypointDataset(Synthetic(PERSON, length=count, size=size, seed=7, people=(1, 3)), size, None, 0)
    images = collate([dataset[i] for i in range(count)]).images.float() / 255
    # No two places of a noisy picture are alike: equal scores would come in any order.
    return images * 0.8 + 0.2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))


def lively(model: Any) -> Any:
    """The model with statistics of pictures and loud last layers, so that its answers differ from place to place."""
    generator = torch.Generator().manual_seed(1)
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            # At YOLOv8's 0.03 one batch would leave every picture looking alike.
            norm.momentum = 1.0 if norm.momentum == 0.03 else norm.momentum
        model.train()(drawn(2))
        for layer in model.modules():
            if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
                layer.weight.add_(0.1 * torch.randn(layer.weight.shape, generator=generator))
    return model.eval()


def rows(people: Poses) -> torch.Tensor:
    """A row of numbers a person."""
    return torch.cat([v.flatten(1) for v in (people.keypoints, people.keypoint_scores, people.boxes)], 1)


def same(found: list[Poses], expected: list[Poses]) -> bool:
    """Whether every person of either side is one of the other; those with equal scores come in any order."""
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.scores.sort().values, b.scores.sort().values, atol=1e-5, rtol=1e-4)
        away = (rows(a)[:, None] - rows(b)).abs().amax(-1)
        assert not len(a) or (away.amin(0).max() < 2e-3 and away.amin(1).max() < 2e-3)
    return True


@pytest.mark.parametrize("name", [timed(n) for n in SMALL if n not in NETWORK_ONLY])
def test_the_graph_answers_who_is_decoded(name: str) -> None:
    model, codec = parts(name, *(["model.detector.min_score=0"] if name == "posted_tiny" else []))
    images = drawn()
    lively(model)
    with torch.inference_mode():
        expected = codec.decode(model(images), (len(images), *images.shape[2:]))
        found = poses(list(plan(model, codec, images).graph(images)))
    assert sum(len(p) for p in expected) > 3
    assert same(found, expected)


@pytest.mark.parametrize("name", [timed(n) for n in NETWORK_ONLY])
def test_what_no_graph_decodes_is_said_and_its_outputs_are_decoded_elsewhere(name: str) -> None:
    model, codec = parts(name)
    images = drawn(2)
    lively(model)
    with torch.inference_mode():
        planned = plan(model, codec, images)
        outputs = dict(zip(planned.graph.names, planned.graph(images), strict=True))
        found = codec.decode(outputs, (2, *images.shape[2:]))
        expected = codec.decode(model(images), (2, *images.shape[2:]))
    assert planned.graph.names != PEOPLE and len(planned.why_network_only.split()) > 8
    assert same(found, expected)
    with pytest.raises(ConfigError, match="decode=false"):
        plan(model, codec, images, decode=True)


def test_a_detector_that_is_another_program_is_no_part_of_a_graph() -> None:
    model, codec = parts("posted_tiny")
    model.detector = torch.nn.Identity()
    with pytest.raises(ConfigError, match="PoseTED cannot be exported: its detector is another program"):
        plan(model, codec, drawn(1))


def test_a_codec_without_a_fixed_form_exports_its_network() -> None:
    model, _ = parts("centernet_tiny")
    planned = plan(model, object(), drawn(1))
    assert "no method fixed" in planned.why_network_only
    assert set(planned.graph.names) == set(said(model, drawn(1)))
