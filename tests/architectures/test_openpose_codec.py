"""OpenPose's codec: targets against loops over cells, and what it encodes it decodes, in every frame and mirror."""

from __future__ import annotations

import math

import pytest
import torch

from armature.architectures.openpose.codec import OpenPoseCodec
from armature.architectures.openpose.parts import make_parts
from armature.errors import ConfigError
from armature.ops.part_assembly import Decoder
from armature.skeletons import load, make
from armature.structures import Batch, Instances, Outputs

PERSON = load("conf/skeleton/coco_person.yaml")
K = PERSON.count
NECK = {"neck": ["left_shoulder", "right_shoulder"]}
#: A standing person in an upright frame of 1 x 1; the person's left is on the right.
FIGURE = torch.tensor(
    [
        *[(0.50, 0.10), (0.54, 0.07), (0.46, 0.07), (0.60, 0.10), (0.40, 0.10), (0.70, 0.25), (0.30, 0.25)],
        *[(0.82, 0.42), (0.18, 0.42), (0.90, 0.57), (0.10, 0.57), (0.62, 0.55), (0.38, 0.55)],
        *[(0.64, 0.75), (0.36, 0.75), (0.65, 0.95), (0.35, 0.95)],
    ]
)


def person(x: float, y: float, width: float, height: float) -> torch.Tensor:
    return FIGURE * torch.tensor([width, height]) + torch.tensor([x, y])


def batch_of(
    *people: torch.Tensor, size: tuple[int, int] = (184, 248), visibility: torch.Tensor | None = None
) -> Batch:
    points = torch.stack(people)[None]
    boxes = torch.cat([points.amin(2), points.amax(2)], -1)
    count = len(people)
    seen = torch.full((1, count, points.shape[2]), 2) if visibility is None else visibility
    instances = Instances(boxes, points, seen, torch.full((1, count), 5000.0), torch.ones(1, count, dtype=torch.bool))
    ignore = torch.zeros(1, *size, dtype=torch.bool)
    return Batch(torch.zeros(1, 3, *size), instances, ignore, torch.eye(3)[None], torch.tensor([1]))


def outputs_for(codec: OpenPoseCodec, size: tuple[int, int] = (23, 31)) -> Outputs:
    limbs = len(codec.parts.limbs)
    return {
        "heatmaps": torch.zeros(6, 1, codec.parts.count + 1, *size),
        "pafs": torch.zeros(6, 1, limbs, 2, *size),
    }


def perfect(codec: OpenPoseCodec, batch: Batch) -> Outputs:
    outputs = outputs_for(codec)
    return codec.ideal(outputs, codec.encode(outputs, batch))


def in_order(found: torch.Tensor) -> torch.Tensor:
    return found[found[:, 0, 0].argsort()]


# ---------------------------------------------------------------------- targets


def test_heatmaps_equal_a_loop_over_cells() -> None:
    codec = OpenPoseCodec(PERSON, NECK)
    people = [person(20.3, 14, 90, 150), person(60.7, 20, 95, 150)]
    heat = codec.encode(outputs_for(codec), batch_of(*people))["heatmaps"].value[0]
    assert heat.shape == (K + 2, 23, 31)
    for part in (0, 9, K):
        middle = [(p[part] if part < K else (p[5] + p[6]) / 2).tolist() for p in people]
        values = heat[part].tolist()
        for y in range(23):
            for x in range(31):
                near = [math.dist((8 * x + 4, 8 * y + 4), m) for m in middle]
                best = max(math.exp(-(d**2) / (2 * 7**2)) for d in near)
                assert values[y][x] == pytest.approx(best if best >= 0.01 else 0, abs=1e-4)
    torch.testing.assert_close(heat[-1], 1 - heat[:-1].amax(0))


def test_overlapping_gaussians_may_be_added() -> None:
    codec = OpenPoseCodec(PERSON, overlap="sum")
    people = [person(20, 14, 90, 150), person(20, 14, 90, 150)]
    heat = codec.encode(outputs_for(codec), batch_of(*people))["heatmaps"].value[0]
    alone = OpenPoseCodec(PERSON).encode(outputs_for(codec), batch_of(people[0]))["heatmaps"].value[0]
    torch.testing.assert_close(heat[:K], (2 * alone[:K]).clamp(max=1))


@pytest.mark.parametrize("offset", [0.0, -0.4375])
def test_fields_equal_a_loop_over_cells(offset: float) -> None:
    codec = OpenPoseCodec(PERSON, NECK, field_offset=offset)
    people = [person(20.3, 14, 90, 150), person(52.7, 20, 95, 150)]
    values = codec.encode(outputs_for(codec), batch_of(*people))["pafs"].value[0].tolist()
    for e, (a, b) in enumerate(codec.parts.limbs):
        if max(a, b) >= K:
            continue
        segments = [(*(p[a] / 8).tolist(), *(p[b] / 8).tolist()) for p in people]
        for y in range(0, 23, 2):
            for x in range(31):
                found = [v for s in segments if (v := vector_at(x + 0.5 + offset, y + 0.5 + offset, *s))]
                mean = [sum(v) / len(found) for v in zip(*found, strict=True)] if found else [0.0, 0.0]
                assert values[e][0][y][x] == pytest.approx(mean[0], abs=1e-4)
                assert values[e][1][y][x] == pytest.approx(mean[1], abs=1e-4)


def vector_at(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float] | None:
    """The unit vector from a to b if the point is within one cell of the line and of the limb's bounds."""
    length = math.dist((ax, ay), (bx, by))
    ux, uy = (bx - ax) / length, (by - ay) / length
    near = abs((x - ax) * uy - (y - ay) * ux) <= 1
    inside = min(ax, bx) - 1 <= x <= max(ax, bx) + 1 and min(ay, by) - 1 <= y <= max(ay, by) + 1
    return (ux, uy) if near and inside else None


def test_the_neck_is_there_only_with_both_shoulders() -> None:
    codec = OpenPoseCodec(PERSON, NECK)
    seen = torch.full((1, 1, K), 2)
    seen[0, 0, 5] = 0
    batch = batch_of(person(20, 14, 90, 150), visibility=seen)
    targets = codec.encode(outputs_for(codec), batch)
    heat, fields = targets["heatmaps"].value[0], targets["pafs"].value[0]
    assert heat[K].max() == 0 and heat[6].max() > 0.5
    gone = [e for e, limb in enumerate(codec.parts.limbs) if set(limb) & {5, K}]
    assert len(gone) >= 4 and fields[gone].abs().max() == 0


def test_nothing_is_supervised_under_ignore_and_on_unlabelled_people() -> None:
    codec = OpenPoseCodec(PERSON)
    seen = torch.full((1, 2, K), 2)
    seen[0, 1] = 0
    batch = batch_of(person(20, 14, 60, 150), person(160, 24, 64, 120), visibility=seen)
    batch.ignore[:, 80:, :40] = True
    targets = codec.encode(outputs_for(codec), batch)
    weight = targets["heatmaps"].weight[0, 0]
    assert (weight[10:, :5] == 0).all()
    x1, y1, x2, y2 = (batch.instances.boxes[0, 1] / 8).tolist()
    covered = weight[math.ceil(y1) : math.floor(y2), math.ceil(x1) : math.floor(x2)]
    assert covered.numel() > 20 and (covered == 0).all()
    assert weight[:9, :17].all() and torch.equal(targets["pafs"].weight[0, 0, 0], weight)


# ---------------------------------------------------------------------- and back


@pytest.mark.parametrize(("derived", "limbs"), [(None, None), (NECK, None), (None, "dense")])
def test_a_perfect_network_gives_people_back(derived: dict[str, list[str]] | None, limbs: str | None) -> None:
    codec = OpenPoseCodec(PERSON, derived, limbs)
    # The second one's eyes lie on the borders of cells, where two cells have the same heat.
    people = [person(4.3, 14, 90, 160), person(120, 20, 100, 150)]
    people[1][1] = torch.tensor([176.0, 32.0])
    found = codec.decode(perfect(codec, batch_of(*people)), (1, 184, 248))[0]
    assert len(found) == 2
    torch.testing.assert_close(in_order(found.keypoints), torch.stack(people), atol=codec.tolerance, rtol=0)
    assert float(found.keypoint_scores.min()) > 0.99


def test_parts_at_the_border_are_exact() -> None:
    codec = OpenPoseCodec(PERSON)
    who = person(0, 0, 248, 184) * 1.25 - torch.tensor([30.5, 9.0])
    seen = torch.full((1, 1, K), 2)
    inside = ((who >= 0) & (who < torch.tensor([248.0, 184.0]))).all(-1)
    seen[0, 0, ~inside] = 0
    assert float(who[inside].amin()) < 4  # some cell has no neighbour
    found = codec.decode(perfect(codec, batch_of(who, visibility=seen)), (1, 184, 248))[0]
    torch.testing.assert_close(found.keypoints[0][inside], who[inside], atol=0.05, rtol=0)


def test_the_released_offset_of_fields_gives_the_same_people_also_in_the_mirror() -> None:
    codec = OpenPoseCodec(PERSON, field_offset=-0.4375)
    who = person(60.3, 14, 110, 150)
    upright = perfect(codec, batch_of(who))
    found = codec.decode(upright, (1, 184, 248))[0]
    torch.testing.assert_close(found.keypoints[0], who, atol=0.05, rtol=0)
    mirror = torch.stack([248 - who[:, 0], who[:, 1]], -1)[list(PERSON.flip)]
    both = codec.unflip(upright, perfect(codec, batch_of(mirror)))
    # The grids of fields cannot fall on each other exactly: an eighth of a cell is left.
    agree = (both["pafs"] - upright["pafs"][0]).abs().amax(2) < 0.1
    assert float(agree.float().mean()) > 0.97


@pytest.mark.parametrize(("derived", "limbs"), [(NECK, None), (None, "dense")])
def test_the_mirror_of_a_perfect_answer_is_the_perfect_answer(
    derived: dict[str, list[str]] | None, limbs: str | None
) -> None:
    codec = OpenPoseCodec(PERSON, derived, limbs)
    people = [person(4.3, 14, 90, 160), person(120, 20, 100, 150)]
    mirror = [torch.stack([248 - p[:, 0], p[:, 1]], -1)[list(PERSON.flip)] for p in people]
    upright = perfect(codec, batch_of(*people))
    both = codec.unflip(upright, perfect(codec, batch_of(*mirror)))
    torch.testing.assert_close(both["heatmaps"], upright["heatmaps"][0], atol=1e-4, rtol=0)
    # A cell exactly on the edge of a field may fall to either side in the mirror.
    assert float(((both["pafs"] - upright["pafs"][0]).abs() < 1e-3).float().mean()) > 0.999


def test_a_joint_that_was_not_found_is_said_to_be_with_its_neighbour_or_at_the_origin() -> None:
    who = person(60, 14, 110, 150)
    places = {}
    for missing in ("neighbour", "origin"):
        codec = OpenPoseCodec(PERSON, missing=missing)  # type: ignore[arg-type]
        maps = perfect(codec, batch_of(who))
        maps["heatmaps"][:, :, 9] = 0
        found = codec.decode(maps, (1, 184, 248))[0]
        places[missing] = found.keypoints[0, 9]
        assert float(found.keypoint_scores[0, 9]) == 0 and len(found) == 1
        assert float(found.boxes[0, 0]) > 60
    torch.testing.assert_close(places["neighbour"], who[7], atol=0.05, rtol=0)
    assert places["origin"].tolist() == [0, 0]


def test_scores_of_people() -> None:
    who = person(60, 14, 110, 150)
    scores = {}
    for rule in ("sum", "mean", "sum*parts"):
        codec = OpenPoseCodec(PERSON, score=rule)  # type: ignore[arg-type]
        scores[rule] = float(codec.decode(perfect(codec, batch_of(who)), (1, 184, 248))[0].scores[0])
    assert scores["mean"] == pytest.approx(scores["sum"] / 17)
    assert scores["sum*parts"] == pytest.approx(scores["sum"] * 16)


def test_nobody_is_found_in_nothing_and_halves_are_decoded() -> None:
    codec = OpenPoseCodec(PERSON)
    empty = codec.decode(outputs_for(codec), (1, 184, 248))[0]
    assert empty.keypoints.shape == (0, K, 2) and empty.boxes.shape == (0, 4)
    who = person(60, 14, 110, 150)
    halves = {name: value.bfloat16() for name, value in perfect(codec, batch_of(who)).items()}
    found = codec.decode(halves, (1, 184, 248))[0]
    torch.testing.assert_close(found.keypoints[0], who, atol=0.3, rtol=0)


# ---------------------------------------------------------------------- parts and limbs


def test_a_mouse_and_a_point_have_limbs_enough() -> None:
    mouse = load("conf/skeleton/openfield_mouse.yaml")
    codec = OpenPoseCodec(mouse)
    points = torch.tensor([[120.0, 40.0], [90.0, 60.0], [150.0, 62.0], [118.0, 150.0]])
    found = codec.decode(perfect(codec, batch_of(points)), (1, 184, 248))[0]
    torch.testing.assert_close(found.keypoints[0], points, atol=0.05, rtol=0)
    dot = OpenPoseCodec(make("dot", ["middle"]))
    dots = [torch.tensor([[40.0, 40.0]]), torch.tensor([[150.5, 99.0]])]
    found = dot.decode(perfect(dot, batch_of(*dots)), (1, 184, 248))[0]
    torch.testing.assert_close(in_order(found.keypoints), torch.stack(dots), atol=0.05, rtol=0)


def test_pieces_that_edges_leave_apart_are_joined() -> None:
    parts = make_parts(make("apart", ["a", "b", "c", "d", "e"], [["a", "b"], ["c", "d"]]))
    assert parts.limbs == ((0, 1), (2, 3), (0, 2), (0, 4))


def test_dense_limbs_bridge_one_part() -> None:
    parts = make_parts(make("row", ["a", "b", "c", "d"], [["a", "b"], ["b", "c"], ["c", "d"]]), limbs="dense")
    assert parts.limbs == ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limbs": [["nose", "neck"]]}, "'neck', which is no part"),
        ({"limbs": [["nose", "left_eye"]]}, "unconnected"),
        ({"limbs": [["nose", "nose"]]}, "two different"),
        ({"limbs": "all"}, "limbs=all"),
        ({"derived": {"nose": ["left_eye"]}}, "repeat"),
        ({"derived": {"x": ["left_eye", "nose"]}}, "mirror image"),
        ({"derived": {"neck": ["left_shoulder", "chin"]}}, "'chin'"),
        ({"score": "best"}, "sum"),
        ({"missing": "nan"}, "origin"),
        ({"overlap": "mean"}, "max"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OpenPoseCodec(PERSON, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="3 <= fewest"):
        Decoder(samples=(2, 5))
