"""COCO keypoint files: official ones as they are, broken ones by entry and field."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as official_mask
from pycocotools.coco import COCO

from armature import skeletons
from armature.data.coco import CocoKeypoints
from armature.data.geometry import ignored
from armature.data.segments import decode_rle, outline
from armature.errors import DataError
from armature.structures import Skeleton


@pytest.fixture
def read(write_coco: Callable, trio: Skeleton) -> Callable[..., CocoKeypoints]:
    """Writes a file and reads it back."""

    def reader(content: Any, **options: Any) -> CocoKeypoints:
        return CocoKeypoints(*write_coco(content, pictures=False), options.pop("skeleton", trio), **options)

    return reader


def test_people_come_in_continuous_coordinates(read: Callable, make_coco: Callable) -> None:
    record = read(make_coco()).records[0]
    assert record.keypoints[0].tolist() == [[5.5, 6.5], [9.0, 9.5], [0, 0]]
    assert record.visibility[0].tolist() == [2, 1, 0]
    assert record.boxes[0].tolist() == [4.0, 5.0, 14.0, 17.0]
    assert (record.size, record.image_id, record.areas[0], record.crowd[0]) == ((24, 32), 11, 60.0, False)


def test_names_decide_the_order(read: Callable, make_coco: Callable) -> None:
    content = make_coco(1)
    content["categories"][0]["keypoints"] = ["Left Eye", "tail", "right-eye", "NOSE"]
    content["annotations"][0]["keypoints"] = [1, 1, 2, 2, 2, 2, 3, 3, 1, 4, 4, 2]
    content["annotations"][0]["num_keypoints"] = 3
    record = read(content).records[0]
    assert record.keypoints[0, :, 0].tolist() == [4.5, 1.5, 3.5]
    assert record.visibility[0].tolist() == [2, 2, 1]


@pytest.mark.parametrize("names", [["p0", "p1", "p2"], None])
def test_placeholders_are_matched_by_position(names: list[str] | None, read: Callable, make_coco: Callable) -> None:
    content = make_coco(1)
    content["categories"][0].pop("keypoints")
    if names:
        content["categories"][0]["keypoints"] = names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(content).records[0].visibility[0].tolist() == [2, 1, 0]


def test_foreign_names_are_matched_by_position_with_a_warning(read: Callable, make_coco: Callable) -> None:
    content = make_coco(1)
    content["categories"][0]["keypoints"] = ["Nase", "Auge l", "Auge r"]
    with pytest.warns(UserWarning, match="matched by position: 'Nase' is 'nose'"):
        read(content)


def test_the_category_that_fits_is_taken(read: Callable, make_coco: Callable, make_person: Callable) -> None:
    content = make_coco(1)
    content["categories"] = [
        {"id": 7, "name": "car"},
        {"id": 9, "name": "hand", "keypoints": ["a", "b", "c"]},
    ] + content["categories"]
    content["annotations"].append(make_person(2, 11, category_id=7, keypoints=None))
    content["annotations"].append(make_person(3, 11, category_id=9))
    assert read(content).records[0].annotation_ids.tolist() == [1]
    with pytest.warns(UserWarning, match="matched by position"):
        assert read(content, category="hand").records[0].annotation_ids.tolist() == [3]
    with pytest.raises(DataError, match=r"category='dog' is 0 of its categories: 'car' \(id 7, 0 points\)"):
        read(content, category="dog")
    four = skeletons.make("four", ["w", "x", "y", "z"])
    with pytest.raises(DataError, match=r"no category fits skeleton 'four' \(4 points\)"):
        read(content, skeleton=four)


def test_missing_areas_are_made_from_boxes(read: Callable, make_coco: Callable) -> None:
    content = make_coco(3)
    content["annotations"][0].pop("area")
    content["annotations"][1]["area"] = None
    with pytest.warns(UserWarning, match="'area' is missing in 2 of 3 annotations"):
        records = read(content).records
    assert [r.areas[0] for r in records] == pytest.approx([0.53 * 120, 0.53 * 120, 60])


def test_num_keypoints_is_not_believed(read: Callable, make_coco: Callable) -> None:
    content = make_coco(2)
    content["annotations"][0]["num_keypoints"] = 3
    content["annotations"][1].pop("num_keypoints")
    with pytest.warns(UserWarning, match="'num_keypoints' is wrong in 1 of 2"):
        assert read(content).records[0].visibility[0].tolist() == [2, 1, 0]


@pytest.mark.parametrize("bad", [0, None])
def test_annotation_id_zero_is_renumbered(bad: int | None, read: Callable, make_coco: Callable) -> None:
    content = make_coco(3)
    content["annotations"][1]["id"] = bad
    with pytest.warns(UserWarning, match="numbered anew from 1"):
        records = read(content).records
    assert [r.annotation_ids.tolist() for r in records] == [[1], [2], [3]]


def test_images_can_be_chosen(read: Callable, make_coco: Callable) -> None:
    content = make_coco(4)
    del content["annotations"][2]
    assert [r.image_id for r in read(content).records] == [11, 12, 13, 14]
    assert len(read(content).records[2].areas) == 0
    assert [r.image_id for r in read(content, empty=False).records] == [11, 12, 14]
    assert [r.image_id for r in read(content, ids=[14, 12]).records] == [12, 14]
    with pytest.raises(DataError, match=r"does not have: \[99\]"):
        read(content, ids=[99])


def test_people_without_keypoints_are_people(read: Callable, make_coco: Callable) -> None:
    content = make_coco(1)
    content["annotations"][0].update(num_keypoints=0)
    content["annotations"][0].pop("keypoints")
    record = read(content).records[0]
    assert record.visibility.tolist() == [[0, 0, 0]]
    assert record.keypoints.shape == (1, 3, 2)


def test_fingerprints_tell_data_apart(read: Callable, make_coco: Callable) -> None:
    first, fewer = read(make_coco()).fingerprint(), read(make_coco(), ids=[11]).fingerprint()
    content = make_coco()
    content["annotations"][0]["keypoints"][0] += 1
    assert len({first, fewer, read(content).fingerprint()}) == 3
    assert read(make_coco()).fingerprint() == first


def crowded(make_coco: Callable, segment: Any) -> dict[str, Any]:
    content = make_coco(1)
    content["annotations"][0].update(iscrowd=1, segmentation=segment)
    return content


@pytest.mark.parametrize("compressed", [False, True])
def test_crowds_of_any_encoding_are_ignored(
    compressed: bool, write_coco: Callable, make_coco: Callable, trio: Skeleton
) -> None:
    shape = np.zeros((24, 32), np.uint8)
    shape[3:9, 5:20] = shape[15:20, 10:12] = 1
    encoded = official_mask.encode(np.asfortranarray(shape))
    runs = np.flatnonzero(np.diff(np.concatenate([[0], shape.T.ravel(), [0]]), append=0)[:-1])
    counts = np.diff(np.concatenate([[0], runs, [shape.size]])).tolist()
    segment = {"size": [24, 32], "counts": encoded["counts"].decode() if compressed else counts}
    assert np.array_equal(decode_rle(segment, (24, 32)), shape)
    record = CocoKeypoints(*write_coco(crowded(make_coco, segment)), trio).read(0)[1]
    found = ignored(record, np.eye(3), (24, 32))
    assert np.array_equal(found, shape > 0)


def test_everybodys_outline_is_there_where_it_is_asked_for(
    write_coco: Callable, make_coco: Callable, trio: Skeleton
) -> None:
    content = make_coco(3)
    triangle = [4.0, 5.0, 14.0, 5.0, 4.0, 17.0]
    content["annotations"][0].update(segmentation=[triangle])
    content["annotations"][1].update(segmentation=[triangle, [1.0, 2.0]])  # no polygon
    files = write_coco(content)
    assert CocoKeypoints(*files, trio).read(0)[1].regions == ()
    with pytest.warns(
        UserWarning, match="'segmentation' of 1 of 3 annotations is left out; the first, of annotation 2"
    ):
        source = CocoKeypoints(*files, trio, segments=True)
    assert [[p.tolist() for p in person] for person in source.read(0)[1].regions] == [[[[4, 5], [14, 5], [4, 17]]]]
    assert source.read(1)[1].regions == source.read(2)[1].regions == ((),)
    assert source.fingerprint() == CocoKeypoints(*files, trio).fingerprint()


def test_polygons_are_taken_as_they_are() -> None:
    assert [p.tolist() for p in outline([[1, 2, 3, 4, 5, 6.5]], (9, 9))] == [[[1, 2], [3, 4], [5, 6.5]]]
    assert outline(None, (9, 9)) == ()


def change(where: str, **fields: Any) -> Callable[[dict], None]:
    def apply(content: dict) -> None:
        for field, value in fields.items():
            if value is ...:
                content[where][1].pop(field)
            else:
                content[where][1][field] = value

    return apply


BROKEN = [
    (lambda c: c.pop("images"), "field 'images' must be a list; found nothing"),
    (lambda c: c.update(annotations={}), "field 'annotations' must be a list; found a JSON object"),
    (change("images", file_name=...), r"images\[1\]: field 'file_name' is missing"),
    (change("images", file_name="../12.jpg"), r"id 12.*'file_name' leaves the folder of pictures: '../12.jpg'"),
    (change("images", file_name="/etc/passwd"), "'file_name' leaves the folder"),
    (change("images", file_name=3), "'file_name' must be text; found 3"),
    (change("images", width=0), "'width' must be a whole number above 0; found 0"),
    (change("images", height="24"), "'height' must be a whole number above 0; found '24'"),
    (change("images", height=math.nan), "'height' must be a whole number above 0; found nan"),
    (change("images", id=11), "images: id 11 is given more than once"),
    (change("images", id="x"), "'id' must be a whole number; found 'x'"),
    (change("annotations", id=1), "annotations: id 1 is given more than once"),
    (change("annotations", image_id=99), "annotation 2: field 'image_id' is 99, which no image has"),
    (change("annotations", image_id=...), r"annotations\[1\]: field 'image_id' is missing"),
    (change("annotations", keypoints=...), "annotation 2: field 'keypoints' is missing"),
    (change("annotations", keypoints=[1, 2, 2]), "annotation 2.*3 numbers for each of 3 points, 9; found 3 numbers"),
    (change("annotations", keypoints=[math.nan, 2, 2] * 3), "annotation 2.*'keypoints' must be finite.*nan"),
    (change("annotations", keypoints=[math.inf, 2, 2] * 3), "annotation 2.*'keypoints' must be finite.*inf"),
    (change("annotations", keypoints=["a", 2, 2] * 3), "'keypoints' must be finite numbers; found 'a'"),
    (change("annotations", keypoints=[1, 2, 3] * 3), "'keypoints' has the flag 3"),
    (change("annotations", bbox=...), "annotation 2: field 'bbox' must be.*found None"),
    (change("annotations", bbox=[0, 0, -1, 5]), "'bbox' must be x, y, width, height"),
    (change("annotations", bbox=[0, 0, math.nan, 5]), "'bbox' must be.*finite"),
    (change("annotations", area=math.inf), "'area' must be a finite number"),
    (change("annotations", iscrowd=1, segmentation={"size": [1, 1], "counts": [1]}), r"RLE of size \[1, 1\]"),
    (change("annotations", iscrowd=1, segmentation={"size": [24, 32], "counts": [1]}), "RLE of 1 pixels, .* 768"),
    (change("annotations", iscrowd=1, segmentation=[[1, 2]]), "'segmentation' must be polygons"),
    (lambda c: c["categories"][0].pop("id"), r"categories\[0\]: field 'id' is missing"),
    (lambda c: c["categories"][0].update(keypoints=["nose", "left_eye"]), "names 2 points, skeleton 'trio' has 3"),
    (lambda c: c["categories"][0].update(keypoints=["nose", "a", "b"]), r"lacks \['left_eye', 'right_eye'\]"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN)
def test_broken_files_are_refused_by_entry_and_field(
    damage: Callable, message: str, read: Callable, make_coco: Callable
) -> None:
    content = make_coco(3)
    damage(content)
    with pytest.raises(DataError, match=rf"(?s)annotations\.json: .*{message}"):
        read(content)


def test_many_problems_make_one_message(read: Callable, make_coco: Callable) -> None:
    content = make_coco(9)
    for a in content["annotations"]:
        a["keypoints"] = a["keypoints"][:-1]
    with pytest.raises(DataError) as error:
        read(content)
    lines = str(error.value).splitlines()
    assert lines[0].endswith("9 problems found:")
    assert len(lines) == 7
    assert lines[-1].strip() == "... and 4 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"images": [', "is not JSON: .* at line 1, column 13"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1, 2]", "expected an object with images, annotations and categories; found a list"),
    ],
)
def test_what_is_not_json_is_refused(text: bytes, message: str, tmp_path: Path, trio: Skeleton) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        CocoKeypoints(tmp_path / "a.json", tmp_path, trio)


def test_missing_files_are_named(tmp_path: Path, trio: Skeleton) -> None:
    with pytest.raises(DataError, match=r"gone\.json: cannot be read: No such file"):
        CocoKeypoints(tmp_path / "gone.json", tmp_path, trio)
    (tmp_path / "a.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match=r"pictures: no such folder of pictures"):
        CocoKeypoints(tmp_path / "a.json", tmp_path / "pictures", trio)


REAL = [
    ("coco_mini/annotations/person_keypoints_train.json", "coco_mini/images/train", "coco_person", 188, 584),
    ("coco_mini/annotations/person_keypoints_val.json", "coco_mini/images/val", "coco_person", 106, 337),
    ("lspe/val.json", "lspe/images/val", "lsp", 500, 500),
    ("helen/test.json", "helen/images/test", "face_300w", 330, 330),
]


@pytest.mark.data
@pytest.mark.parametrize(("annotations", "images", "name", "pictures", "people"), REAL)
def test_real_files_agree_with_pycocotools(
    annotations: str, images: str, name: str, pictures: int, people: int, real_data: Path, skeleton_file: Callable
) -> None:
    source = CocoKeypoints(real_data / annotations, real_data / images, skeleton_file(name))
    assert (len(source), sum(len(r.areas) for r in source.records)) == (pictures, people)
    assert source.check() == []
    official = COCO(str(real_data / annotations))
    for record in source.records:
        expected = official.loadAnns(official.getAnnIds(imgIds=record.image_id))
        assert record.annotation_ids.tolist() == [a["id"] for a in expected]
        for i, a in enumerate(expected):
            triples = np.array(a["keypoints"], float).reshape(-1, 3)
            seen = triples[:, 2] > 0
            assert record.keypoints[i][seen] == pytest.approx(triples[seen, :2] + 0.5)
            x, y, w, h = a["bbox"]
            assert [*record.boxes[i], record.areas[i], record.crowd[i]] == [x, y, x + w, y + h, a["area"], a["iscrowd"]]


@pytest.mark.data
def test_real_crowds_are_ignored_where_they_are(real_data: Path, skeleton_file: Callable) -> None:
    annotations, images = real_data / REAL[0][0], real_data / REAL[0][1]
    source = CocoKeypoints(annotations, images, skeleton_file("coco_person"))
    official = COCO(str(annotations))
    crowds = [i for i, r in enumerate(source.records) if r.crowd.any()]
    assert len(crowds) == 9
    for index in crowds:
        _, record = source.read(index)
        found = ignored(record, np.eye(3), record.size)
        expected = sum(
            official.annToMask(a) for a in official.loadAnns(official.getAnnIds(imgIds=record.image_id, iscrowd=True))
        )
        assert found is not None
        assert found[expected > 0].all()  # holes are filled, nothing is lost
        assert found.sum() < 1.3 * (expected > 0).sum()
