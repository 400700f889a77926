"""The spatial transformer: a pixel that is lit on the canvas is lit at the same place of the crop."""

import math

import pytest
import torch
from torchvision.ops import roi_align

from armature.architectures.posted import crops
from armature.architectures.posted.crops import Jitter, Refiner
from armature.errors import ConfigError


def lit(x: int, y: int, size: tuple[int, int] = (40, 56)) -> torch.Tensor:
    image = torch.zeros(1, 1, *size)
    image[0, 0, y, x] = 1
    return image


def centroid(picture: torch.Tensor) -> torch.Tensor:
    """In crop units: 0 at the left and upper edge, 1 at the other."""
    h, w = picture.shape[-2:]
    mass = picture.sum()
    x = (picture.sum(-2) * ((torch.arange(w) + 0.5) / w)).sum() / mass
    y = (picture.sum(-1) * ((torch.arange(h) + 0.5) / h)).sum() / mass
    return torch.stack([x, y])


@pytest.mark.parametrize("place", [(20, 13), (31, 22), (17, 25)])
@pytest.mark.parametrize("size", [(96, 72), (61, 97)])
@pytest.mark.parametrize("degrees", [0, 25])
def test_a_lit_pixel_is_found_where_it_is(place: tuple[int, int], size: tuple[int, int], degrees: int) -> None:
    torch.manual_seed(0)
    box = torch.tensor([[11.3, 6.1, 38.9, 33.7]])
    upright = crops.crops_of(box, 1.25, size, "stretch")
    if degrees:
        upright = Jitter(0.02, 0.1, degrees)(upright)
    picture = crops.sample(lit(*place), upright, torch.zeros(1, dtype=torch.long), size)
    where = crops.apply(upright, centroid(picture[0, 0])[None, None])[0, 0]
    torch.testing.assert_close(where, torch.tensor(place) + 0.5, atol=0.06, rtol=0)  # the centroid of a drawn tent


def test_a_crop_that_is_a_window_of_pixels_copies_them() -> None:
    image = torch.rand(2, 3, 40, 56)
    upright = crops.crops_of(torch.tensor([[10.0, 5.0, 26.0, 25.0]] * 2), 1.0, (20, 16), "stretch")
    found = crops.sample(image, upright, torch.tensor([1, 0]), (20, 16))
    torch.testing.assert_close(found, image[[1, 0], :, 5:25, 10:26], atol=1e-5, rtol=0)


def test_upright_crops_are_what_roi_align_samples() -> None:
    image = torch.rand(2, 3, 40, 56)
    boxes = torch.tensor([[10.2, 5.7, 26.9, 25.1], [20.5, 8.0, 47.0, 31.0], [4.0, 4.0, 30.0, 36.0]])
    which = torch.tensor([0, 1, 0])
    found = crops.sample(image, crops.crops_of(boxes, 1.0, (7, 9), "stretch"), which, (7, 9))
    rois = torch.cat([which[:, None].float(), boxes], 1)
    torch.testing.assert_close(found, roi_align(image, rois, (7, 9), 1.0, 1, aligned=True), atol=1e-5, rtol=0)


def test_the_enlarged_box_keeps_its_middle_and_if_asked_the_shape_of_people() -> None:
    box = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    stretched = crops.crops_of(box, 1.25, (64, 64), "stretch")
    torch.testing.assert_close(
        crops.apply(stretched, torch.tensor([[[0.0, 0], [1, 1]]]))[0], torch.tensor([[7.5, 15], [32.5, 65]])
    )
    kept = crops.crops_of(box, 1.25, (64, 64), "keep")
    torch.testing.assert_close(
        crops.apply(kept, torch.tensor([[[0.0, 0], [1, 1]]]))[0], torch.tensor([[-5.0, 15], [45, 65]])
    )


def test_there_and_back_again() -> None:
    torch.manual_seed(1)
    upright = Jitter(0.1, 0.3, 180)(
        crops.crops_of(torch.rand(5, 4) * 20 + torch.tensor([0.0, 0, 50, 70]), 1.25, (4, 3), "stretch")
    )
    points = torch.randn(2, 5, 6, 2)
    torch.testing.assert_close(
        crops.apply(crops.inverse(upright), crops.apply(upright, points)), points, atol=1e-4, rtol=1e-4
    )
    inner = torch.randn(5, 2, 3)
    both = crops.apply(crops.compose(upright, inner), points)
    torch.testing.assert_close(both, crops.apply(upright, crops.apply(inner, points)), atol=1e-3, rtol=1e-4)


def test_jitter_stays_within_what_it_was_told() -> None:
    torch.manual_seed(0)
    before = crops.crops_of(torch.tensor([[10.0, 20.0, 30.0, 60.0]]).expand(500, 4), 1.0, (4, 4), "stretch")
    after = Jitter(0.1, 0.25, 30)(before)
    middle = crops.apply(after, torch.tensor([[[0.5, 0.5]]]).expand(500, 1, 2))[:, 0]
    away = (middle - torch.tensor([20.0, 40.0])).abs()
    assert (away <= torch.tensor([2.0, 4.0]) + 1e-4).all() and away[:, 1].max() > 3.5
    factor = (torch.linalg.det(after[:, :, :2]) / 800).sqrt()
    assert factor.min() >= 0.749 and factor.max() <= 1.251 and factor.min() < 0.8 < 1.2 < factor.max()
    angle = torch.atan2(after[:, 1, 0], after[:, 0, 0]).abs()
    assert 0.4 < angle.max() <= math.radians(30) + 1e-4


def test_gradients_reach_the_box() -> None:
    image = torch.arange(56.0).expand(1, 1, 40, 56)  # as bright as far to the right
    box = torch.tensor([[10.0, 5.0, 26.0, 25.0]], requires_grad=True)
    crops.sample(
        image, crops.crops_of(box, 1.25, (8, 8), "stretch"), torch.zeros(1, dtype=torch.long), (8, 8)
    ).mean().backward()
    torch.testing.assert_close(box.grad, torch.tensor([[0.5, 0, 0.5, 0]]), atol=1e-4, rtol=0)


def test_a_fresh_refiner_changes_nothing_and_a_moved_one_moves() -> None:
    refine = Refiner((16, 16), "affine").eval()
    pictures, points = torch.rand(3, 3, 16, 16), torch.rand(3, 4, 2)
    torch.testing.assert_close(crops.apply(refine(pictures), points), points)
    with torch.no_grad():
        refine.say.bias[2] = 100.0  # theta's x shift, at most 0.3 of half a crop
    torch.testing.assert_close(
        crops.apply(refine(pictures), points), points + torch.tensor([0.15, 0]), atol=1e-5, rtol=0
    )


def test_an_axis_refiner_never_turns() -> None:
    refine = Refiner((16, 16), "axis").eval()
    torch.nn.init.normal_(refine.say.weight)
    theta = refine(torch.rand(3, 3, 16, 16))
    assert (
        (theta[:, 0, 1] == 0).all()
        and (theta[:, 1, 0] == 0).all()
        and not torch.allclose(theta[:, 0, 0], torch.ones(3))
    )


def test_bad_arguments_are_told() -> None:
    with pytest.raises(ConfigError, match="scale"):
        Jitter(scale=1.5)
    with pytest.raises(ConfigError, match="kind"):
        Refiner(kind="projective")  # type: ignore[arg-type]


def test_places_are_exact_under_autocast() -> None:
    boxes = torch.tensor([[10.3, 20.7, 50.1, 97.9], [3.2, 5.1, 90.4, 120.6]])
    images, which = torch.rand(2, 3, 128, 128), torch.tensor([0, 1])
    points = torch.rand(2, 5, 2)
    maps = crops.crops_of(boxes, 1.25, (64, 64), "stretch")

    def everything() -> list[torch.Tensor]:
        return [
            crops.sample(images, maps, which, (64, 64)),
            crops.apply(maps, points),
            crops.compose(maps, crops.inverse(maps)),
            crops.Jitter(0.0, 0.0, 0.0)(maps),
        ]

    plain = everything()
    with torch.autocast("cpu", torch.bfloat16):
        half = everything()
    for a, b in zip(plain, half, strict=True):
        torch.testing.assert_close(a, b)
