"""One dot, seen at several scales, is found under itself and counts once."""

import pytest
import torch
from torch import Tensor

from armature.errors import ConfigError
from armature.multiscale import MultiScale
from armature.structures import Outputs, Poses


class Brightest:
    """A codec of one person whose only keypoint is where the image is brightest (centroid of its square)."""

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        assert tuple(outputs["light"].shape) == canvas
        return [self._one(light) for light in outputs["light"]]

    def _one(self, light: Tensor) -> Poses:
        weight = light.square()
        y, x = (torch.arange(n) + 0.5 for n in light.shape)
        at = torch.stack([(weight * x).sum(), (weight * y[:, None]).sum()]) / weight.sum()
        size = torch.tensor([light.shape[1], light.shape[0]]) * 0.2
        return Poses(at[None, None], torch.ones(1, 1), torch.cat([at - size, at + size])[None], light.amax()[None])


def image() -> Tensor:
    """A blob of light about (20, 12)."""
    y, x = torch.arange(32)[:, None] + 0.5, torch.arange(48) + 0.5
    return torch.exp(-((x - 20) ** 2 + (y - 12) ** 2) / 18).expand(1, 3, 32, 48).clone()


def predict(images: Tensor) -> Outputs:
    return {"light": images[:, 0]}


def test_people_of_every_scale_come_back_to_the_canvas() -> None:
    found = MultiScale((0.5, 1.0, 1.3))(predict, Brightest(), image())[0]  # type: ignore[arg-type]
    assert len(found) == 3
    torch.testing.assert_close(found.keypoints, torch.tensor([20.0, 12.0]).expand(3, 1, 2), atol=0.1, rtol=0)
    torch.testing.assert_close(found.boxes[0] - found.boxes[1], torch.zeros(4), atol=0.3, rtol=0)


def test_the_same_person_counts_once() -> None:
    found = MultiScale((0.5, 1.0))(predict, Brightest(), image())[0]  # type: ignore[arg-type]
    best, other = found.scores.sort(descending=True).values
    assert best > 0.9 and other < 0.2


def test_scale_one_alone_changes_nothing() -> None:
    alone = Brightest().decode(predict(image()), (1, 32, 48))[0]
    found = MultiScale((1.0,))(predict, Brightest(), image())[0]  # type: ignore[arg-type]
    assert all(torch.equal(getattr(alone, f), getattr(found, f)) for f in ("keypoints", "boxes", "scores"))


def test_impossible_scales_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        MultiScale((1.0, 0.0))
