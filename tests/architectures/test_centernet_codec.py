"""CenterNet's codec: what it encodes it decodes, in every frame and mirror."""

import pytest
import torch

from armature.architectures.centernet.codec import CenterNetCodec
from armature.architectures.protocol import synthetic_batch
from armature.building import build
from armature.configuration import compose
from armature.losses.focal import GaussianFocal
from armature.skeletons import load
from armature.structures import Batch, Instances, Outputs

PERSON = load("conf/skeleton/coco_person.yaml")
K = PERSON.count


def empty_outputs(batch: int = 1, h: int = 32, w: int = 24) -> Outputs:
    return {
        "center": torch.zeros(batch, 1, h, w),
        "size": torch.zeros(batch, 2, h, w),
        "offset": torch.zeros(batch, 2, h, w),
        "joints": torch.zeros(batch, K, 2, h, w),
        "heatmaps": torch.zeros(batch, K, h, w),
        "joint_offset": torch.zeros(batch, 2, h, w),
    }


def one_person(points: torch.Tensor, box: list[float], ignore: torch.Tensor | None = None, visible: int = 2) -> Batch:
    boxes = torch.tensor([[box]])
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    people = Instances(
        boxes, points[None, None], torch.full((1, 1, K), visible), areas, torch.ones(1, 1, dtype=torch.bool)
    )
    mask = torch.zeros(1, 128, 96, dtype=torch.bool) if ignore is None else ignore
    return Batch(torch.zeros(1, 3, 128, 96), people, mask, torch.eye(3)[None], torch.tensor([1]))


def spread_points(seed: int = 0) -> torch.Tensor:
    """K points, each in a cell of its own, off the cell centres."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randperm(16 * 26, generator=generator)[:K]
    corner = torch.stack([cells % 16 + 4, cells // 16 + 3], -1) * 4.0
    return corner + torch.rand(K, 2, generator=generator) * 3.9


def test_an_ideal_network_gives_back_the_people_exactly() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5)
    points = spread_points()
    batch = one_person(points, [14.0, 10.0, 82.0, 118.0])
    outputs = empty_outputs()
    found = codec.decode(codec.ideal(outputs, codec.encode(outputs, batch)), (1, 128, 96))[0]
    assert len(found) == 1
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.boxes[0], torch.tensor([14.0, 10.0, 82.0, 118.0]), atol=1e-3, rtol=0)
    assert float(found.scores[0]) > 0.99 and float(found.keypoint_scores.min()) > 0.99


def test_with_reach_a_peak_one_cell_off_still_gives_the_exact_joints() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5, reach=1)
    points, box = spread_points(4), [14.0, 10.0, 82.0, 118.0]
    outputs = empty_outputs()
    perfect = codec.ideal(outputs, codec.encode(outputs, one_person(points, box)))
    perfect["center"] = perfect["center"].roll((1, -1), (2, 3))
    perfect["heatmaps"] = torch.full_like(perfect["heatmaps"], -9.0)
    found = codec.decode(perfect, (1, 128, 96))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.boxes[0], torch.tensor(box), atol=1e-3, rtol=0)


def test_with_reach_joint_peaks_one_cell_off_still_give_the_exact_joints() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5, reach=1)
    # Far enough apart that no two joints claim the same cell.
    points = torch.tensor([[18.0 + 16 * (k % 4), 14.0 + 19 * (k // 4)] for k in range(K)])
    points += torch.rand(K, 2, generator=torch.Generator().manual_seed(7)) * 3.9
    outputs = empty_outputs()
    perfect = codec.ideal(outputs, codec.encode(outputs, one_person(points, [14.0, 10.0, 82.0, 118.0])))
    perfect["heatmaps"] = perfect["heatmaps"].roll((-1, 1), (2, 3))
    found = codec.decode(perfect, (1, 128, 96))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-3, rtol=0)
    assert float(found.keypoint_scores.min()) > 0.99  # they did snap


def test_regression_alone_gives_back_the_people_where_no_peak_is_near() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5)
    points = spread_points(1)
    outputs = empty_outputs()
    perfect = codec.ideal(outputs, codec.encode(outputs, one_person(points, [14.0, 10.0, 82.0, 118.0])))
    perfect["heatmaps"] = torch.full_like(perfect["heatmaps"], -9.0)
    found = codec.decode(perfect, (1, 128, 96))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-3, rtol=0)
    assert float(found.keypoint_scores.max()) < 0.01


def test_a_peak_outside_the_box_or_too_far_does_not_catch_the_joint() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5)
    points = spread_points(2)
    outputs = empty_outputs()
    perfect = codec.ideal(outputs, codec.encode(outputs, one_person(points, [14.0, 10.0, 82.0, 118.0])))
    perfect["heatmaps"] = torch.full_like(perfect["heatmaps"], -9.0)
    perfect["heatmaps"][:, :, 31, 0] = 9.0  # strong, but outside every box
    found = codec.decode(perfect, (1, 128, 96))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-3, rtol=0)


def test_the_mirror_image_of_a_perfect_answer_is_the_perfect_answer_in_the_mirror() -> None:
    codec = CenterNetCodec(PERSON, min_score=0.5)
    # A centre exactly between two cells would sit in the right one of both pictures.
    points, box = spread_points(3), [15.0, 10.0, 82.0, 118.0]
    outputs = empty_outputs()
    upright = codec.ideal(outputs, codec.encode(outputs, one_person(points, box)))
    mirrored_points = torch.stack([96 - points[:, 0], points[:, 1]], -1)[list(PERSON.flip)]
    mirrored = one_person(mirrored_points, [96 - box[2], box[1], 96 - box[0], box[3]])
    flipped = codec.ideal(outputs, codec.encode(outputs, mirrored))
    found = codec.decode(codec.unflip(upright, flipped), (1, 128, 96))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=1e-2, rtol=0)
    torch.testing.assert_close(found.boxes[0], torch.tensor(box), atol=1e-2, rtol=0)


def test_nothing_is_learned_under_ignore_but_a_peak_there_still_counts() -> None:
    codec = CenterNetCodec(PERSON)
    ignore = torch.zeros(1, 128, 96, dtype=torch.bool)
    ignore[:, :64] = True
    targets = codec.encode(empty_outputs(), one_person(spread_points(), [14.0, 10.0, 82.0, 98.0], ignore))
    weight = targets["center"].weight[0, 0]
    assert weight[16:].all() and weight[:16].sum() == 1 and weight[13, 12] == 1  # the centre is in the ignored half


def test_people_without_labelled_joints_are_centres_but_say_nothing_about_joints() -> None:
    codec = CenterNetCodec(PERSON)
    targets = codec.encode(empty_outputs(), one_person(spread_points(), [16.0, 16.0, 48.0, 80.0], visible=0))
    assert targets["center"].value.max() == 1 and targets["joints"].weight.sum() == 0
    heat = targets["heatmaps"].weight[0]
    assert (heat[:, 4:20, 4:12] == 0).all() and heat.sum() == K * (32 * 24 - 16 * 8)


def test_a_batch_without_people_trains() -> None:
    codec = CenterNetCodec(PERSON)
    batch = synthetic_batch(K)
    batch.instances.valid[:] = False
    outputs = {name: value.requires_grad_() for name, value in empty_outputs(2, 32, 32).items()}
    targets = codec.encode(outputs, batch)
    loss = GaussianFocal()(outputs["center"], targets["center"])
    loss.backward()
    assert torch.isfinite(loss) and targets["size"].weight.sum() == 0


def test_the_joints_may_have_a_say_in_the_score() -> None:
    points, outputs = spread_points(5), empty_outputs()
    alone, both = (CenterNetCodec(PERSON, min_score=0.5, score=rule) for rule in ("center", "center*joints"))
    perfect = alone.ideal(outputs, alone.encode(outputs, one_person(points, [14.0, 10.0, 82.0, 118.0])))
    perfect["heatmaps"] -= 8.0
    first, second = (codec.decode(perfect, (1, 128, 96))[0] for codec in (alone, both))
    torch.testing.assert_close(second.scores, first.scores * second.keypoint_scores.mean(-1))


@pytest.mark.parametrize("subcell", ["offset", "centroid"])
def test_finer_heatmaps_place_joints_finer(subcell: str) -> None:
    """Centres at stride 4, joints at stride 2, on a canvas that neither divides."""
    size = (126, 130)
    codec = build(compose("train", [f"codec.subcell={subcell}"]).codec)
    batch = synthetic_batch(17, size)
    fine, coarse = ((1, -(-size[0] // s), -(-size[1] // s)) for s in (2, 4))

    def empty(*channels: int, at: tuple[int, int, int]) -> torch.Tensor:
        return torch.zeros(len(batch.images), *channels, *at[1:])

    outputs = {name: empty(2, at=coarse) for name in ("size", "offset")}
    outputs |= {"center": empty(1, at=coarse), "joints": empty(17, 2, at=coarse)}
    outputs |= {"heatmaps": empty(17, at=fine), "joint_offset": empty(2, at=fine)}
    ideal = codec.ideal(outputs, codec.encode(outputs, batch))
    ideal["joints"] = ideal["joints"] + 0.3  # regressions are off, peaks are not
    for b, people in enumerate(codec.decode(ideal, (len(batch.images), *size))):
        for slot in batch.instances.valid[b].nonzero().flatten():
            seen = batch.instances.visibility[b, slot] > 0
            away = (people.keypoints[:, seen] - batch.instances.keypoints[b, slot, seen]).norm(dim=-1).median(1).values
            assert float(away.min()) < (0.05 if subcell == "offset" else 2**0.5)
