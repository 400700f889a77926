"""Each format as the tool that makes it writes it, with the answers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature.data import recognising
from armature.data.labels.form import Labels, Person
from armature.errors import DataError

from .conftest import picture


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def points(labels: Labels, one: Person) -> dict[str, tuple[float, ...]]:
    names = labels.categories[one.category].keypoints
    return {n: (*p, v) for n, p, v in zip(names, one.keypoints.tolist(), one.visibility.tolist()) if v}


def recognised(folder: Path, name: str) -> Labels:
    assert recognising.recognise(folder)[0] == name
    return recognising.read(folder)


def coco(**changes: Any) -> dict[str, Any]:
    mouse = {"id": 1, "name": "mouse", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    fly = {"id": 2, "name": "fly", "keypoints": ["head", "wing", "leg"], "skeleton": [[0, 1], [1, 2]]}
    people = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 4, 5], "keypoints": [3, 4, 2, 0, 0, 0],
         "num_keypoints": 9},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 2, 4, 5], "keypoints": [1, 1, 1, 2, 2, 2, 3, 3, 2],
         "area": 7, "segmentation": [[1, 1, 5, 1, 5, 4]]},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1,
         "segmentation": {"size": [24, 32], "counts": [700, 60, 8]}},
    ]  # fmt: skip
    images = [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}]
    return {"images": images, "annotations": people, "categories": [mouse, fly]} | changes


def test_coco_of_several_categories(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "val" / "a.png")
    write(tmp_path / "annotations" / "instances_val2017.json", coco())
    labels = recognised(tmp_path, "coco")
    (image,) = labels.images
    assert (image.file, image.split, image.size) == ("images/val/a.png", "val", (24, 32))
    mouse, fly, crowd = image.people
    assert points(labels, mouse) == {"nose": (3.5, 4.5, 2)}
    assert points(labels, fly) == {"head": (1.5, 1.5, 1), "wing": (2.5, 2.5, 2), "leg": (3.5, 3.5, 2)}
    assert (mouse.area, fly.area, crowd.crowd) == (None, 7, True)
    assert fly.polygons[0].tolist() == [[1, 1], [5, 1], [5, 4]]
    assert crowd.mask == {"size": [24, 32], "counts": [700, 60, 8]}
    # The second category counts its edges from 0.
    assert [c.edges for c in labels.categories] == [((0, 1),), ((0, 1), (1, 2))]
    exact = recognising.read(tmp_path, "coco", {"offset": 0})
    assert points(exact, exact.images[0].people[0]) == {"nose": (3, 4, 2)}


def test_roboflows_coco(tmp_path: Path) -> None:
    group = {"id": 0, "name": "mice", "supercategory": "none"}
    content = coco()
    content["categories"].insert(0, group)
    for split in ("train", "valid"):
        picture(tmp_path / split / "a.png")
        write(tmp_path / split / "_annotations.coco.json", content)
    labels = recognised(tmp_path, "coco")
    assert "Roboflow" in recognising.recognise(tmp_path)[1]
    assert [(i.file, i.split) for i in labels.images] == [("train/a.png", "train"), ("valid/a.png", "val")]
    assert [c.name for c in labels.categories] == ["mouse", "fly"]


def test_cvats_coco(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "default" / "a.png")
    write(tmp_path / "annotations" / "person_keypoints_default.json", coco())
    labels = recognised(tmp_path, "coco")
    assert (labels.images[0].file, labels.images[0].split) == ("images/default/a.png", "")


def test_crowdpose_with_its_swapped_sizes(tmp_path: Path) -> None:
    names = [f"p{i}x" for i in range(14)]
    one = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 5, 5], "keypoints": [30, 10, 2] * 14, "iscrowd": 0}
    image = {"id": 7, "file_name": "a.jpg", "width": 24, "height": 32, "crowdIndex": 0.4}
    kind = {"id": 1, "name": "person", "keypoints": names}
    write(tmp_path / "crowdpose_train.json", {"images": [image], "annotations": [one], "categories": [kind]})
    with pytest.warns(UserWarning, match="swapped"):
        labels = recognised(tmp_path, "crowdpose")  # by the points alone
    assert labels.images[0].size == (24, 32)
    assert labels.images[0].extra["crowdIndex"] == 0.4
    picture(tmp_path / "images" / "a.jpg", (32, 24))  # now the picture says that they are right
    assert recognising.read(tmp_path, "crowdpose").images[0].size == (32, 24)


def test_coco_wholebody_joins_its_five_fields(tmp_path: Path) -> None:
    parts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    one: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "face_valid": True}
    one |= {field: [n, 1, 2] * count for n, (field, count) in enumerate(parts.items())}
    one["righthand_kpts"][2] = 0.7  # a score instead of a flag
    kind = {"id": 1, "name": "person", "keypoints": [f"k{i}" for i in range(17)], "skeleton": [[1, 2]]}
    image = {"id": 1, "file_name": "a.png", "width": 32, "height": 24}
    write(tmp_path / "coco_wholebody_train_v1.0.json", {"images": [image], "annotations": [one], "categories": [kind]})
    labels = recognised(tmp_path, "coco_wholebody")
    person = labels.images[0].people[0]
    assert person.keypoints[[0, 16, 17, 22, 23, 90, 91, 111, 112, 132], 0].tolist() == [
        0.5, 0.5, 1.5, 1.5, 2.5, 2.5, 3.5, 3.5, 4.5, 4.5,
    ]  # fmt: skip
    assert (person.visibility == 2).all()
    assert person.extra["face_valid"] is True


@pytest.mark.parametrize("dims", [2, 3])
def test_yolo(tmp_path: Path, dims: int) -> None:
    picture(tmp_path / "images" / "train" / "a.png")
    picture(tmp_path / "images" / "val" / "b.png")
    cells = "0.5 0.25 2 0 0 0" if dims == 3 else "0.5 0.25 0 0"
    write(tmp_path / "labels" / "train" / "a.txt", f"1 0.25 0.5 0.125 0.25 {cells}\n")
    yaml = "path: ../datasets/mice\ntrain: images/train\nval: images/val\ntest:\nnames: {0: fly, 1: mouse}\n"
    write(tmp_path / "data.yaml", yaml + f"kpt_shape: [2, {dims}]\nflip_idx: [1, 0]\n")
    labels = recognised(tmp_path, "yolo")
    assert recognising.recognise(tmp_path)[1] == "data.yaml with kpt_shape: YOLO-pose"
    train, val = labels.images
    assert (train.file, train.split, val.split, val.people) == ("images/train/a.png", "train", "val", ())
    (one,) = train.people
    assert labels.categories[one.category].name == "mouse"
    assert points(labels, one) == {"keypoint_0": (16, 6, 2)}  # half of 32, a quarter of 24
    assert one.box.tolist() == [6, 9, 10, 15]
    assert labels.categories[0].flip == (1, 0)


def test_roboflows_yolo(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        picture(tmp_path / split / "images" / "a.png")
        write(tmp_path / split / "labels" / "a.txt", "0 0.5 0.5 1 1 0.5 0.5 1\n")
    yaml = "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['mouse']\nkpt_shape: [1, 3]\nflip_idx: [0]\n"
    write(tmp_path / "data.yaml", yaml)
    labels = recognised(tmp_path, "yolo")
    assert [(i.file, i.split) for i in labels.images] == [
        ("train/images/a.png", "train"),
        ("valid/images/a.png", "val"),
    ]
    assert points(labels, labels.images[1].people[0]) == {"keypoint_0": (16, 12, 1)}


def region(ident: str, kind: str, label: str, parent: str | None = None, **value: Any) -> dict[str, Any]:
    entry = {"id": ident, "type": kind, "from_name": "l", "to_name": "i", "original_width": 32, "original_height": 24}
    entry |= {"image_rotation": 0, "value": value | {kind: [label]}}
    return entry | ({"parentID": parent} if parent else {})


def tasks(*regions: dict[str, Any]) -> list[dict[str, Any]]:
    data = {"image": "/data/upload/3/0a1b2c3d-my%20mouse.png"}
    return [{"id": 41, "annotations": [{"id": 1, "result": list(regions), "was_cancelled": False}], "data": data}]


def test_label_studio_with_parents(tmp_path: Path) -> None:
    picture(tmp_path / "my mouse.png")
    hidden = region("k2", "choices", "x", x=50, y=50) | {"value": {"choices": ["Hidden"]}}
    export = tasks(
        region("b1", "rectanglelabels", "mouse", x=25, y=0, width=50, height=100, rotation=0),
        region("k1", "keypointlabels", "nose", "b1", x=50, y=25, width=0.5),
        region("k2", "keypointlabels", "tail", "b1", x=75, y=50, width=0.5),
        hidden,
    )
    write(tmp_path / "project-3-at-2025-01-01.json", export)
    labels = recognised(tmp_path, "label_studio")
    (image,) = labels.images
    assert (image.file, image.ident, image.size) == ("my mouse.png", 41, (24, 32))
    (one,) = image.people
    assert labels.categories[one.category].name == "mouse"
    assert points(labels, one) == {"nose": (16, 6, 2), "tail": (24, 12, 1)}
    assert one.box.tolist() == [8, 0, 24, 24]


def test_label_studio_finds_whose_points_are_by_the_boxes_around_them(tmp_path: Path) -> None:
    picture(tmp_path / "my mouse.png")
    boxes = [region(f"b{i}", "rectanglelabels", "mouse", x=50 * i, y=0, width=50, height=100) for i in (0, 1)]
    noses = [region(f"k{i}", "keypointlabels", "nose", x=50 * i + 25, y=50, width=1) for i in (0, 1)]
    write(tmp_path / "export.json", tasks(*noses, *boxes))
    labels = recognising.read(tmp_path)
    assert [points(labels, p) for p in labels.images[0].people] == [{"nose": (8, 12, 2)}, {"nose": (24, 12, 2)}]
    write(tmp_path / "export.json", tasks(*noses))
    with pytest.raises(DataError, match=r"export\.json: task 41: point 'nose' is labelled twice"):
        recognising.read(tmp_path)


def test_label_studios_vectors_and_json_min(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    vertices = [{"id": "1", "x": 25, "y": 25}, {"id": "2", "x": 50, "y": 75}]
    export = tasks(region("v", "vectorlabels", "mouse", vertices=vertices, closed=False))
    write(tmp_path / "export.json", [export[0] | {"data": {"image": "s3://bucket/x/a.png"}}])
    labels = recognising.read(tmp_path)
    assert points(labels, labels.images[0].people[0]) == {"keypoint_0": (8, 6, 2), "keypoint_1": (16, 18, 2)}
    row = {"x": 50, "y": 50, "width": 1, "keypointlabels": ["nose"], "original_width": 32, "original_height": 24}
    write(tmp_path / "export.json", [{"image": "/data/local-files/?d=x/a.png", "id": 1, "kp": [row], "annotator": 1}])
    labels = recognised(tmp_path, "label_studio")
    assert points(labels, labels.images[0].people[0]) == {"nose": (16, 12, 2)}


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><job><labels>
    <label><name>mouse</name><color>#fff</color><type>skeleton</type><attributes></attributes>
      <svg>&lt;line x1="1" y1="2" x2="3" y2="4" stroke="black" data-type="edge" data-node-from="2" stroke-width="0.5"
      data-node-to="1"&gt;&lt;/line&gt;&lt;circle r="1.5" data-type="element node" data-element-id="1" data-node-id="1"
      &gt;&lt;/circle&gt;&lt;circle r="1.5" data-type="element node" data-element-id="2" data-node-id="2"
      &gt;&lt;/circle&gt;</svg>
    </label>
    <label><name>nose</name><type>points</type><parent>mouse</parent></label>
    <label><name>tail</name><type>points</type><parent>mouse</parent></label>
    <label><name>fly</name><type>points</type></label>
  </labels></job></meta>
  <image id="0" name="a.png" subset="Train" width="32" height="24">
    <skeleton label="mouse" source="manual" occluded="0" z_order="0" group_id="4">
      <points label="tail" source="manual" occluded="1" outside="0" points="3.50,4.25"></points>
      <points label="nose" source="manual" outside="1" occluded="0" points="9.00,9.00"></points>
    </skeleton>
    <box label="mouse" source="manual" occluded="0" xtl="1.0" ytl="2.0" xbr="8.0" ybr="9.0" z_order="0" group_id="4">
    </box>
    <points label="fly" source="manual" occluded="0" points="1.00,2.00;3.00,4.00" z_order="0"></points>
  </image>
  <image id="1" name="sub/b.png" width="32" height="24">
    <points label="nose" source="manual" occluded="0" points="5.00,6.00" z_order="0"></points>
  </image>
</annotations>
"""


def test_cvat(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "sub" / "b.png")
    write(tmp_path / "annotations.xml", CVAT)
    labels = recognised(tmp_path, "cvat")
    first, second = labels.images
    assert (first.file, first.split, second.file) == ("images/a.png", "train", "images/sub/b.png")
    mouse, fly = first.people
    assert points(labels, mouse) == {"tail": (3.5, 4.25, 1)}
    assert mouse.box.tolist() == [1, 2, 8, 9]
    kind = labels.categories[mouse.category]
    assert (kind.name, kind.keypoints, kind.edges) == ("mouse", ("nose", "tail"), ((1, 0),))
    assert points(labels, fly) == {"keypoint_0": (1, 2, 2), "keypoint_1": (3, 4, 2)}
    assert points(labels, second.people[0]) == {"nose": (5, 6, 2)}


def test_cvats_video_and_entities_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", "<annotations><meta/><track id='0' label='x'/></annotations>")
    with pytest.raises(DataError, match=r"a\.xml: is an export for video"):
        recognising.read(tmp_path)
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><annotations><image name="&a;"/></annotations>'
    write(tmp_path / "a.xml", bomb)
    with pytest.raises(DataError, match=r"a\.xml: declares a DOCTYPE"):
        recognising.read(tmp_path)


def shape(label: str, kind: str, places: Any, group: int | None = None, **flags: bool) -> dict[str, Any]:
    return {"label": label, "points": places, "group_id": group, "description": "", "shape_type": kind, "flags": flags}


def test_labelme(tmp_path: Path) -> None:
    picture(tmp_path / "pictures" / "a.png")
    shapes = [
        shape("nose", "point", [[3.25, 4.5]], 1),
        shape("nose", "point", [[13.25, 14.5]], 2, occluded=True),
        shape("mouse", "rectangle", [[9.0, 8.0], [2.0, 1.0]], 1),
        shape("x", "circle", [[1, 1], [2, 2]]),
    ]
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "..\\pictures\\a.png", "imageData": None}
    write(tmp_path / "labels" / "a.json", content | {"imageHeight": 24, "imageWidth": 32})
    with pytest.warns(UserWarning, match="1 shapes that are no points"):
        labels = recognised(tmp_path, "labelme")
    assert labels.images[0].file == "pictures/a.png"
    first, second = labels.images[0].people
    assert points(labels, first) == {"nose": (3.25, 4.5, 2)}
    assert first.box.tolist() == [2, 1, 9, 8]
    assert labels.categories[first.category].name == "mouse"
    assert points(labels, second) == {"nose": (13.25, 14.5, 1)}


def test_deeplabcut_of_several_animals(tmp_path: Path) -> None:
    header = "scorer,,,A,A,A,A,A,A\nindividuals,,,m1,m1,m1,m1,m2,m2\nbodyparts,,,nose,nose,tail,tail,nose,nose\n"
    rows = "coords,,,x,y,x,y,x,y\nlabeled-data,v,a.png,1,2,3,4,5.5,6\nlabeled-data,v,b.png,,,,,,\n"
    write(tmp_path / "labeled-data" / "v" / "CollectedData_A.csv", header + rows)
    write(tmp_path / "config.yaml", "scorer: A\nbodyparts: MULTI!\nskeleton:\n- [nose, tail]\n")
    picture(tmp_path / "labeled-data" / "v" / "a.png")
    labels = recognised(tmp_path, "deeplabcut")
    first, second = labels.images
    assert [points(labels, p) for p in first.people] == [
        {"nose": (1.5, 2.5, 2), "tail": (3.5, 4.5, 2)},
        {"nose": (6, 6.5, 2)},
    ]
    assert [p.track for p in first.people] == ["m1", "m2"]
    assert (first.video, second.people, labels.categories[0].edges) == ("v", (), ((0, 1),))


def test_deeplabcuts_h5_says_what_its_csv_does(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs armature[deeplabcut]")
    columns = pandas.MultiIndex.from_product(
        [["A"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    index = pandas.MultiIndex.from_tuples([("labeled-data", "v", "a.png"), ("labeled-data", "v", "b.png")])
    table = pandas.DataFrame([[1.0, 2.0, np.nan, np.nan], [5.0, 6.0, 7.0, 8.5]], index, columns)
    (tmp_path / "labeled-data" / "v").mkdir(parents=True)
    table.to_hdf(tmp_path / "labeled-data" / "v" / "CollectedData_A.h5", key="df_with_missing", mode="w")
    write(tmp_path / "config.yaml", "scorer: A\n")
    labels = recognised(tmp_path, "deeplabcut")
    assert [i.file for i in labels.images] == ["labeled-data/v/a.png", "labeled-data/v/b.png"]
    assert points(labels, labels.images[0].people[0]) == {"nose": (1.5, 2.5, 2)}
    assert points(labels, labels.images[1].people[0]) == {"nose": (5.5, 6.5, 2), "tail": (7.5, 9, 2)}


@pytest.mark.parametrize("package", ["pandas", "sleap_io"])
def test_a_missing_package_is_named(tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    name = "CollectedData_A.h5" if package == "pandas" else "a.slp"
    (tmp_path / name).write_bytes(b"\x89HDF\r\n")
    extra = "deeplabcut" if package == "pandas" else "sleap"
    with pytest.raises(DataError, match=rf"{name}: .*'{package}'.*pip install 'armature\[{extra}\]'"):
        recognising.read(tmp_path)


def test_csv_wide_and_long(tmp_path: Path) -> None:
    picture(tmp_path / "frames" / "a.png")
    wide = "Image,nose_x,nose_y,tail.x,tail.y,tail.likelihood\na.png,1,2,3.5,4.5,0.5\na.png,5,6,nan,,\n"
    write(tmp_path / "points.csv", wide)
    labels = recognised(tmp_path, "csv")
    first, second = labels.images[0].people
    assert labels.images[0].file == "frames/a.png"
    assert points(labels, first) == {"nose": (1, 2, 2), "tail": (3.5, 4.5, 2)}
    assert first.scores.tolist() == [0, 0.5]
    assert points(labels, second) == {"nose": (5, 6, 2)}
    shifted = recognising.read(tmp_path, None, {"offset": 0.5})
    assert points(shifted, shifted.images[0].people[1]) == {"nose": (5.5, 6.5, 2)}
    write(
        tmp_path / "points.csv",
        "file,person,keypoint,x,y,visibility\na.png,1,nose,1,2,1\na.png,1,tail,3,4,2\na.png,2,nose,7,8,2\n",
    )
    labels = recognised(tmp_path, "csv")
    assert [points(labels, p) for p in labels.images[0].people] == [
        {"nose": (1, 2, 1), "tail": (3, 4, 2)},
        {"nose": (7, 8, 2)},
    ]


def test_json_files_by_a_mapping(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    entry = {
        "class": "mouse",
        "bbox": [0.25, 0.5, 0.5, 0.25],
        "points": [{"label": "nose", "pos_x": 0.5, "pos_y": 0.5, "vis": 1}],
    }
    write(tmp_path / "a.json", {"meta": {"img": "a.png"}, "objects": [entry]})
    mapping = {
        "image": "meta.img",
        "people": "objects",
        "category": "class",
        "box": "bbox",
        "box_form": "xywh",
        "unit": "fraction",
    }
    mapping |= {"keypoints": "points", "name": "label", "x": "pos_x", "y": "pos_y", "visibility": "vis"}
    labels = recognising.read(tmp_path, "json_folder", {"mapping": mapping})
    (one,) = labels.images[0].people
    assert points(labels, one) == {"nose": (16, 12, 1)}
    assert one.box.tolist() == [8, 12, 24, 18]
    write(tmp_path / "a.json", {"keypoints": [1, 2, 3, 4]})
    labels = recognising.read(tmp_path, "json_folder", {"mapping": {"names": ["nose", "tail"], "offset": 0.5}})
    assert points(labels, labels.images[0].people[0]) == {"nose": (1.5, 2.5, 2), "tail": (3.5, 4.5, 2)}


def test_supervisely(tmp_path: Path) -> None:
    nodes = {"n1": {"label": "nose", "loc": [1, 1]}, "n2": {"label": "tail", "loc": [2, 2]}}
    graph = {"title": "mouse", "shape": "graph", "color": "#1"}
    graph |= {"geometry_config": {"nodes": nodes, "edges": [{"src": "n1", "dst": "n2", "color": "#2"}]}}
    write(tmp_path / "meta.json", {"classes": [graph, {"title": "rat", "shape": "rectangle"}], "tags": []})
    picture(tmp_path / "train" / "img" / "a.png")
    objects = [
        {
            "classTitle": "mouse",
            "geometryType": "graph",
            "nodes": {"n1": {"loc": [3, 4]}, "n2": {"loc": [5, 6], "disabled": True}},
        },
        {"classTitle": "rat", "geometryType": "rectangle", "points": {"exterior": [[2, 3], [9, 10]], "interior": []}},
    ]
    write(
        tmp_path / "train" / "ann" / "a.png.json", {"size": {"height": 24, "width": 32}, "objects": objects, "tags": []}
    )
    labels = recognised(tmp_path, "supervisely")
    (image,) = labels.images
    assert (image.file, image.split) == ("train/img/a.png", "train")
    (one,) = image.people
    assert points(labels, one) == {"nose": (3.5, 4.5, 2), "tail": (5.5, 6.5, 1)}
    assert one.box.tolist() == [2, 3, 10, 11]  # its last pixel included
    assert labels.categories[0].edges == ((0, 1),)


def test_300w(tmp_path: Path) -> None:
    picture(tmp_path / "afw" / "face 1.jpg")
    rows = "\n".join(f"{i + 1}.000 {i + 2}.500" for i in range(68))
    write(tmp_path / "afw" / "face 1.pts", f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n")
    labels = recognised(tmp_path, "pts")
    (image,) = labels.images
    assert image.file == "afw/face 1.jpg"
    # Matlab's (1, 2.5): the middle of the first column.
    assert image.people[0].keypoints[0].tolist() == [0.5, 2.0]
    assert len(labels.categories[0].keypoints) == 68


def test_wflw(tmp_path: Path) -> None:
    picture(tmp_path / "WFLW_images" / "0--Parade" / "a.jpg")
    row = " ".join([*(f"{i}.5" for i in range(196)), "1 2 30 20", "0 1 0 0 1 0", "0--Parade/a.jpg"])
    write(tmp_path / "WFLW_annotations" / "list_98pt_rect_attr_train.txt", row + "\n")
    labels = recognised(tmp_path, "wflw")
    (image,) = labels.images
    assert (image.file, image.split) == ("WFLW_images/0--Parade/a.jpg", "train")
    (face,) = image.people
    assert face.keypoints[0].tolist() == [1, 2]
    assert (face.box.tolist(), face.extra["attributes"]) == ([1, 2, 30, 20], [0, 1, 0, 0, 1, 0])


def test_mpiis_json(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "015601864.jpg")
    joints = [[10.0, 20.0]] * 15 + [[-1.0, -1.0]]
    entry = {"joints_vis": [1] * 15 + [0], "joints": joints, "image": "015601864.jpg", "scale": 3.02, "center": [5, 6]}
    write(tmp_path / "annot" / "valid.json", [entry, entry])
    labels = recognised(tmp_path, "mpii")
    (image,) = labels.images
    assert (image.file, image.split, len(image.people)) == ("images/015601864.jpg", "val", 2)
    one = image.people[0]
    assert points(labels, one)["right_ankle"] == (9.5, 19.5, 2)
    assert "left_wrist" not in points(labels, one)
    assert one.extra == {"scale": 3.02, "center": [4.5, 5.5]}


def test_mpiis_mat(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")

    def listed(*entries: dict[str, Any]) -> np.ndarray:
        names = dict.fromkeys(key for e in entries for key in e)
        found = np.zeros((1, len(entries)), [(n, object) for n in names])
        for i, entry in enumerate(entries):
            for name in names:
                found[0, i][name] = entry.get(name, np.zeros((0, 0)))
        return found

    seen = [
        {"x": 10.0, "y": 20.0, "id": 9, "is_visible": np.zeros((0, 0))},
        {"x": 3.0, "y": 4.0, "id": 0, "is_visible": "0"},
    ]
    man = {
        "x1": 1,
        "y1": 2,
        "x2": 5,
        "y2": 6,
        "scale": 2.5,
        "objpos": {"x": 7, "y": 8},
        "annopoints": {"point": listed(*seen)},
    }
    far = {"scale": 1.0, "objpos": {"x": 1, "y": 1}}
    frames = listed(
        {"image": {"name": "a.jpg"}, "annorect": listed(man, far)},
        {"image": {"name": "b.jpg"}, "annorect": listed(far)},
    )
    release = {"annolist": frames, "img_train": np.array([[1, 0]])}
    scipy_io.savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    labels = recognised(tmp_path, "mpii")
    first, second = labels.images
    assert (first.split, second.split, second.people) == ("train", "test", ())
    (one,) = first.people
    assert points(labels, one) == {"right_ankle": (2.5, 3.5, 1), "head_top": (9.5, 19.5, 2)}
    assert one.extra == {"scale": 2.5, "center": [6.5, 7.5], "head_box": [0.5, 1.5, 4.5, 5.5]}


def test_sleap(tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs armature[sleap]")
    picture(tmp_path / "frames" / "a.png")
    skeleton = sleap_io.Skeleton(["nose", "ear_l", "ear_r"], [("nose", "ear_l")], [("ear_l", "ear_r")], name="mouse")
    places = np.array([[1.0, 2.0], [3.0, 4.5], [np.nan, np.nan]])
    video = sleap_io.Video.from_filename([str(tmp_path / "frames" / "a.png")])
    one = sleap_io.Instance.from_numpy(places, skeleton=skeleton, track=sleap_io.Track("ann"))
    guess = sleap_io.PredictedInstance.from_numpy(places + 1, skeleton=skeleton)
    frame = sleap_io.LabeledFrame(video=video, frame_idx=0, instances=[guess, one])
    sleap_io.Labels([frame]).save(str(tmp_path / "project.slp"), embed=False, verbose=False)
    labels = recognised(tmp_path, "sleap")
    (image,) = labels.images
    assert (image.file, image.size) == ("frames/a.png", (24, 32))
    (kept,) = image.people
    assert points(labels, kept) == {"nose": (1.5, 2.5, 2), "ear_l": (3.5, 5, 2)}
    assert kept.track == "ann"
    kind = labels.categories[0]
    assert (kind.name, kind.edges, kind.flip) == ("mouse", ((0, 1),), (0, 2, 1))


def test_sleaps_embedded_frames_become_pictures(tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs armature[sleap]")
    picture(tmp_path / "frames" / "a.png")
    skeleton = sleap_io.Skeleton(["nose"], name="mouse")
    video = sleap_io.Video.from_filename([str(tmp_path / "frames" / "a.png")])
    one = sleap_io.Instance.from_numpy(np.array([[1.0, 2.0]]), skeleton=skeleton)
    labels = sleap_io.Labels([sleap_io.LabeledFrame(video=video, frame_idx=0, instances=[one])])
    (tmp_path / "it").mkdir()
    labels.save(str(tmp_path / "it" / "project.pkg.slp"), embed=True, verbose=False)
    (tmp_path / "frames" / "a.png").unlink()
    found = recognised(tmp_path / "it", "sleap")
    recognising.write(found, "coco", tmp_path / "out")
    again = recognising.read(tmp_path / "out")
    assert (again.root / again.images[0].file).is_file()
    assert again.images[0].size == (24, 32)
