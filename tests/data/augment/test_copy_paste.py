"""Pasted people: whole, on top, along their outlines, and never over too much of anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from armature.data.augment.copy_paste import CopyPaste, cut_out, most_covered, on_top
from armature.data.dataset import KeypointDataset
from armature.data.geometry import People, RandomAffine
from armature.data.sample import Part, Sample
from armature.structures import Record

CANVAS = (40, 60)


def sample(
    grey: int,
    boxes: Sequence[Sequence[float]],
    points: Sequence[tuple[float, float]],
    outlines: Sequence[Sequence[tuple[float, float]]] = (),
    ignore: np.ndarray | None = None,
) -> Sample:
    """A grey picture with one visible keypoint a person."""
    box, count = np.array(boxes, float).reshape(-1, 4), len(boxes)
    keypoints, flags = np.array(points, float).reshape(count, 1, 2), np.full((count, 1), 2)
    regions = tuple((np.array(o, float),) if o else () for o in outlines)
    none, ids = np.zeros(count, bool), np.arange(count) + 1
    record = Record(grey, "", CANVAS, keypoints, flags, box, np.ones(count), none, ids, regions)
    people = People(box, keypoints, flags, np.ones(count))
    image = np.full((*CANVAS, 3), grey, np.uint8)
    return Sample(image, people, ignore, np.eye(3), grey, None, (Part(record, np.eye(3), np.arange(count)),))


def paste(host: Sample, donor: Sample, **options: float) -> Sample:
    always = {"share": 1.0, "covered": 1.0} | options
    return CopyPaste(1.0, **always)(host, np.random.default_rng(0), lambda rng: donor)


def test_a_person_comes_by_its_box_with_its_keypoint_on_top() -> None:
    host = sample(10, [[5, 5, 25, 25], [40, 10, 58, 38]], [(18.5, 18.5), (50.0, 20.0)])
    after = paste(host, sample(200, [[15, 15, 30, 30]], [(20.0, 20.0)]))
    expected = np.full(CANVAS, 10)
    expected[15:30, 15:30] = 200
    assert (after.image == expected[..., None]).all()
    assert after.people.keypoints[:, 0].tolist() == [[18.5, 18.5], [50, 20], [20, 20]]
    assert after.people.visibility[:, 0].tolist() == [1, 2, 2]
    assert after.people.boxes.tolist() == [[5, 5, 25, 25], [40, 10, 58, 38], [15, 15, 30, 30]]
    assert after.image_id == 10
    assert (host.image == 10).all() and host.people.visibility.tolist() == [[2], [2]]


def test_along_an_outline_only_what_is_in_it_comes() -> None:
    triangle = [(15.0, 15.0), (31.0, 15.0), (15.0, 31.0)]
    host = sample(10, [[5, 5, 34, 34]], [(29.5, 29.5)])
    after = paste(host, sample(200, [[15, 15, 31, 31]], [(18.0, 18.0)], [triangle]))
    y, x = np.mgrid[:40, :60] + 0.5
    inside = (x > 15) & (y > 15) & (x + y < 46)
    assert (after.image[inside] == 200).all()
    # OpenCV also fills the pixels that the outline runs through.
    near = (x > 14) & (y > 14) & (x + y < 48)
    assert (after.image[~near] == 10).all()
    assert after.people.visibility[:, 0].tolist() == [2, 2]


def test_a_point_beside_its_own_outline_is_not_to_be_seen() -> None:
    triangle = [(15.0, 15.0), (31.0, 15.0), (15.0, 31.0)]
    after = paste(sample(10, [], []), sample(200, [[15, 15, 31, 31]], [(29.5, 29.5)], [triangle]))
    assert after.image[29, 29].tolist() == [10] * 3
    assert after.people.visibility.tolist() == [[1]]


def test_who_would_cover_too_much_of_anybody_stays_out() -> None:
    host = sample(10, [[10, 10, 30, 30]], [(12.0, 12.0)])
    # A third and a quarter of 20 x 20.
    third, quarter = sample(200, [[10, 10, 30, 17]], [(20, 15.0)]), sample(200, [[10, 10, 30, 15]], [(20, 14.0)])
    assert paste(host, third, covered=0.3) is host
    assert len(paste(host, quarter, covered=0.3).people.areas) == 2


def test_the_share_is_of_all_that_is_pasted() -> None:
    host = sample(10, [[10, 10, 30, 30]], [(29.5, 29.5)])
    strips = sample(200, [[10, 10, 30, 14], [10, 16, 30, 20]], [(20.0, 12.0), (20.0, 18.0)])
    assert len(paste(host, strips, covered=0.4).people.areas) == 3
    assert paste(host, strips, covered=0.3).people.keypoints[:, 0].tolist() == [[29.5, 29.5], [20, 12]]


def test_who_comes_along_later_is_there_once_and_as_visible_as_before() -> None:
    # The first one's box is without a point of the second; the second one's has the first one's.
    donor = sample(200, [[5, 5, 20, 20], [15, 15, 30, 30]], [(18.0, 18.0), (25.0, 25.0)])
    assert cut_out(donor, 0)[0] == {0} and cut_out(donor, 1)[0] == {0, 1}
    after = paste(sample(10, [], []), donor)
    assert after.people.keypoints[:, 0].tolist() == [[18, 18], [25, 25]]
    assert after.people.visibility.tolist() == [[2], [2]]


def test_whoever_is_seen_in_what_is_cut_out_comes_along() -> None:
    # The second one's keypoint lies in the first one's box, the third's in the second's; the fourth is far away.
    boxes = [[5, 5, 20, 20], [15, 15, 30, 30], [25, 25, 38, 38], [45, 5, 58, 20]]
    donor = sample(200, boxes, [(6.0, 6.0), (18.0, 18.0), (28.0, 28.0), (50.0, 10.0)])
    group, mask = cut_out(donor, 0)
    assert group == {0, 1, 2}
    expected = np.zeros(CANVAS, bool)
    for x1, y1, x2, y2 in boxes[:3]:
        expected[y1:y2, x1:x2] = True
    assert np.array_equal(mask, expected)
    assert cut_out(donor, 3)[0] == {3}


def test_together_they_are_pasted_once() -> None:
    donor = sample(200, [[5, 5, 20, 20], [15, 15, 30, 30]], [(18.0, 18.0), (18.5, 18.5)])
    after = paste(sample(10, [], []), donor)
    assert after.people.keypoints[:, 0].tolist() == [[18, 18], [18.5, 18.5]]
    assert after.people.visibility.tolist() == [[2], [2]]


def test_ignored_pixels_are_those_of_what_is_on_top() -> None:
    below, above, mask = (np.zeros(CANVAS, bool) for _ in range(3))
    below[:, :20] = above[:20] = mask[10:30, 10:30] = True
    found = on_top(below, above, mask)
    assert found is not None
    for y, x in np.ndindex(CANVAS):
        assert found[y, x] == (above if mask[y, x] else below)[y, x]
    assert np.array_equal(on_top(None, above, mask), above & mask)
    assert np.array_equal(on_top(below, None, mask), below & ~mask)
    assert on_top(None, None, mask) is None
    after = paste(sample(10, [], [], ignore=below), sample(200, [[10, 10, 30, 30]], [(20, 20)], ignore=above))
    assert np.array_equal(after.ignore, found)


def test_what_the_picture_does_not_reach_is_not_pasted() -> None:
    donor = sample(200, [[10, 10, 30, 30]], [(12.0, 12.0)])
    beside = donor.parts[0]._replace(matrix=np.array([[1.0, 0, -40], [0, 1, 0], [0, 0, 1]]))
    mask = cut_out(donor._replace(parts=(beside,)), 0)[1]
    assert mask[10:30, 10:20].all()
    assert not mask[:, 21:].any()


def test_covered_shares() -> None:
    mask = np.zeros(CANVAS, bool)
    mask[10:20, 10:30] = True
    people = sample(0, [[10, 10, 50, 20], [0, 0, 20, 20], [30, 30, 40, 40]], [(0, 0)] * 3).people
    assert most_covered(people, mask) == 0.5
    assert most_covered(people.among(np.array([1])), mask) == 0.25
    assert most_covered(people.among(np.array([2])), mask) == 0


@pytest.mark.parametrize("outlines", [False, True])
def test_pixels_of_pasted_people_are_the_other_pictures(lit: Callable, outlines: bool) -> None:
    """Host and donor as the data set draws them: outside what was pasted the host is as it was."""
    source, turn = lit(outlines=outlines), RandomAffine((0.6, 1.0), 40, 0.1, 0.5)
    plain = KeypointDataset(source, (192, 192), turn, 4)
    pasted = KeypointDataset(source, (192, 192), turn, 4, augment={"c": CopyPaste(1.0, 0.7, covered=1.0)})
    more = 0
    for index in range(6):
        before, after = plain[(1, index)], pasted[(1, index)]
        own = len(before.people.areas)
        assert np.array_equal(after.people.keypoints[:own], before.people.keypoints)
        assert np.array_equal(after.to_source, before.to_source)
        changed = (before.image != after.image).any(-1)
        here = np.zeros_like(changed)
        for x1, y1, x2, y2 in after.people.boxes[own:]:
            # A turned outline reaches beyond its tight box, by a fifth of the other side at 40 degrees.
            wide, high = 3 + (y2 - y1) / 4, 3 + (x2 - x1) / 4
            here[max(0, int(y1 - high)) : int(y2 + high), max(0, int(x1 - wide)) : int(x2 + wide)] = True
        assert not changed[~here].any()
        more += len(after.people.areas) - own
    assert more > 3
