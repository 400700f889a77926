"""Each config of a published data set on a tiny one in the official layout, and what is said where it is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io

from armature import assembly, config_folders
from armature.configuration import compose
from armature.data import absent
from armature.data.datamodule import KeypointData
from armature.errors import ConfigError, DataError

SIZE = (48, 64)


def picture(path: Path, size: tuple[int, int] = SIZE) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path.name


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def triples(count: int, start: float = 3) -> list[float]:
    """Point i at (start + i % 40, 5 + i // 40), visible."""
    return [v for i in range(count) for v in (start + i % 40, 5 + i // 40, 2)]


def coco(names: list[str], people: list[dict[str, Any]], kind: dict[str, Any] | None = None) -> dict[str, Any]:
    images = [{"id": i, "file_name": n, "height": SIZE[0], "width": SIZE[1]} for i, n in enumerate(names, 1)]
    rows = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [2, 3, 40, 20], "area": 400, "iscrowd": 0, **one}
        for i, one in enumerate(people, 1)
    ]
    return {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "person", **(kind or {})}]}


def body(count: int) -> dict[str, Any]:
    return {"keypoints": triples(count), "num_keypoints": count}


def whole(hands: bool = True) -> dict[str, Any]:
    """A person of COCO-WholeBody, the right hand not labelled."""
    parts = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    valid = {"foot_valid": True, "face_valid": True, "lefthand_valid": hands, "righthand_valid": False}
    boxes = {"lefthand_box": [10.0, 4.0, 12.0, 8.0], "righthand_box": [0.0] * 4, "face_box": [1.0, 2.0, 9.0, 9.0]}
    return {**body(17), **{k: triples(n, 10) for k, n in parts.items()}, **valid, **boxes}


def make_coco(root: Path) -> None:
    for part in ("train2017", "val2017"):
        names = [picture(root / part / f"{i:012d}.jpg") for i in (9, 25)]
        file = coco(names, [body(17)], {"keypoints": list(load("coco_person").keypoints)})
        write(root / "annotations" / f"person_keypoints_{part}.json", file)


def make_wholebody(root: Path) -> None:
    for part in ("train", "val"):
        names = [picture(root / f"{part}2017" / f"{i:012d}.jpg") for i in (9, 25)]
        kind = {"keypoints": list(load("coco_person").keypoints)}
        write(root / "annotations" / f"coco_wholebody_{part}_v1.0.json", coco(names, [whole(), whole(False)], kind))
    # What lies beside them in a real folder.
    write(root / "annotations" / "person_keypoints_val2017.json", coco(["x.jpg"], [body(17)]))


def make_mpii(root: Path) -> None:
    for n, part in enumerate(("train", "val")):
        names = [picture(root / "images" / f"{i:09d}.jpg") for i in (10 * n + 1, 10 * n + 2)]
        joints = np.array(triples(16)).reshape(-1, 3)[:, :2].tolist()
        one = {"joints": joints, "joints_vis": [1] * 15 + [0], "scale": 0.2, "center": [20.0, 15.0]}
        write(root / "annotations" / f"mpii_{part}.json", [one | {"image": name} for name in (names[0], *names)])
    write(root / "annotations" / "mpii_test.json", [{"image": "000000099.jpg", "scale": 1.0, "center": [1, 1]}])


def make_mpii_mat(root: Path) -> None:
    points = [{"x": 3.0 + i, "y": 5.0, "id": i, "is_visible": 1} for i in range(16)]
    frames = []
    for i in range(6):
        name = picture(root / "images" / f"{i:09d}.jpg")
        people = {"annopoints": {"point": points}, "scale": 1.0} if i < 4 else {"scale": 1.0}
        frames.append({"image": {"name": name}, "annorect": people})
    content = {"annolist": frames, "img_train": [1, 1, 1, 1, 0, 0]}
    scipy.io.savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": content})


def make_crowdpose(root: Path) -> None:
    for n, part in enumerate(("train", "val", "test", "trainval")):
        names = [picture(root / "images" / f"{100000 + n}.jpg")]
        file = coco(names, [body(14)], {"keypoints": list(load("crowdpose").keypoints)})
        # The official files have these the wrong way round.
        file["images"] = [i | {"crowdIndex": 0.5, "height": SIZE[1], "width": SIZE[0]} for i in file["images"]]
        write(root / "json" / f"crowdpose_{part}.json", file)


def make_ap10k(root: Path) -> None:
    names = [picture(root / "data" / f"{i:012d}.jpg") for i in (1, 2, 3)]
    for split in (1, 2, 3):
        for part in ("train", "val", "test"):
            file = coco(names, [body(17), body(17) | {"category_id": 7}])
            points = list(load("ap10k").keypoints)
            file["categories"] = [
                {"id": 1, "name": "antelope", "keypoints": points, "skeleton": [[1, 2]], "supercategory": "Bovidae"},
                {"id": 7, "name": "beaver", "keypoints": points, "skeleton": [[1, 2]], "supercategory": "Castoridae"},
                {"id": 9, "name": "unseen", "keypoints": points, "skeleton": [[1, 2]], "supercategory": "Canidae"},
            ]
            write(root / "annotations" / f"ap10k-{part}-split{split}.json", file)


def make_human_art(root: Path) -> None:
    names = ["HumanArt/images/2D_virtual_human/cartoon/000000000000.jpg", "HumanArt/images/real_human/dance/1.jpg"]
    for name in names:
        picture(root.parent / name)
    extra = {"keypoints_21": triples(21), "self_contact": [], "annotator": 3}
    for part in ("training", "validation"):
        file = coco(names, [body(17) | extra], {"keypoints": list(load("coco_person").keypoints)})
        file["images"] = [i | {"category": "cartoon", "description": "a dance"} for i in file["images"]]
        write(root / "annotations" / f"{part}_humanart.json", file)
        write(root / "annotations" / f"{part}_humanart_cartoon.json", file)


def make_freihand(root: Path) -> None:
    frames = 10
    xyz = [[[0.1 + 0.01 * i, 0.2, 1.0 + n] for i in range(21)] for n in range(frames)]
    camera = [[[100.0, 0.0, 30.0], [0.0, 50.0, 20.0], [0.0, 0.0, 1.0]]] * frames
    write(root / "training_xyz.json", xyz)
    write(root / "training_K.json", camera)
    write(root / "evaluation_K.json", camera)
    for i in range(4 * frames):
        picture(root / "training" / "rgb" / f"{i:08d}.jpg")


def make_300w(root: Path) -> None:
    rows = "".join(f"{x} {y}\n" for x, y in np.array(triples(68)).reshape(-1, 3)[:, :2])
    for folder in ("afw", "helen/trainset", "helen/testset", "lfpw/trainset", "lfpw/testset", "ibug", "other"):
        for n in (1, 2):
            picture(root / folder / f"image_{n}.png")
            write(root / folder / f"image_{n}.pts", f"version: 1\nn_points: 68\n{{\n{rows}}}\n")


def make_wflw(root: Path) -> None:
    points = " ".join(f"{v}" for i in range(98) for v in (3 + i % 40, 5 + i // 40))
    name = "0--Parade/0_Parade_marchingband_1_{}.jpg"
    lists = root / "WFLW_annotations"
    for n, part in enumerate(("train", "test")):
        picture(root / "WFLW_images" / name.format(n))
        row = f"{points} 2 3 44 20 0 0 1 0 0 0 {name.format(n)}\n"
        write(lists / "list_98pt_rect_attr_train_test" / f"list_98pt_rect_attr_{part}.txt", row * 2)
    for subset in ("test", "test_blur"):
        write(lists / "list_98pt_test" / f"list_98pt_{subset}.txt", f"{points} {name.format(1)}\n")


def load(skeleton: str) -> Any:
    from armature import skeletons

    return skeletons.load(config_folders.project() / "skeleton" / f"{skeleton}.yaml")


#: Config -> folder as it is unpacked, maker, pictures of both parts, people of both parts, keypoints, place of point 0.
SETS: dict[str, tuple[str, Callable[[Path], None], tuple[int, int], tuple[int, int], int, tuple[float, float]]] = {
    "coco": ("coco", make_coco, (2, 2), (1, 1), 17, (3.5, 5.5)),
    "coco_wholebody": ("coco", make_wholebody, (2, 2), (2, 2), 133, (3.5, 5.5)),
    "coco_hand": ("coco", make_wholebody, (2, 2), (1, 1), 21, (10.5, 5.5)),
    "mpii": ("mpii", make_mpii, (2, 2), (3, 3), 16, (2.5, 4.5)),
    "mpii_mat": ("mpii", make_mpii_mat, (3, 1), (3, 1), 16, (2.5, 4.5)),
    "crowdpose": ("crowdpose", make_crowdpose, (2, 1), (2, 1), 14, (3.5, 5.5)),
    "ap10k": ("ap10k", make_ap10k, (3, 3), (2, 2), 17, (3.5, 5.5)),
    "human_art": ("HumanArt", make_human_art, (2, 2), (1, 1), 17, (3.5, 5.5)),
    "freihand": ("FreiHAND_pub_v2", make_freihand, (36, 4), (36, 4), 21, (0.0, 0.0)),
    "face_300w": ("300w", make_300w, (6, 6), (6, 6), 68, (2.5, 4.5)),
    "wflw": ("wflw", make_wflw, (1, 1), (2, 2), 98, (3.5, 5.5)),
}


def data_of(name: str, root: Path, *more: str) -> KeypointData:
    return assembly.data(compose("train", [f"data={name}", f"data.root={root}", "data.workers=0", *more]))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SETS)
def test_a_published_data_set_is_read_where_it_was_unpacked(name: str, tmp_path: Path) -> None:
    folder, make, pictures, people, count, first = SETS[name]
    (tmp_path / folder).mkdir()
    make(tmp_path / folder)
    data = data_of(name, tmp_path / folder)
    assert data.train is not None and data.val is not None
    assert (len(data.train), len(data.val)) == pictures
    found = [sum(len(r.areas) for r in part.records) for part in (data.train, data.val)]
    assert tuple(found) == people and data.skeleton.count == count
    somebody = next(r for r in data.val.records if len(r.areas))
    if name == "freihand":  # K (0.1, 0.2, z) / z
        depth = 10.0 / (somebody.keypoints[0, 0, 0] - 30.5)
        first = (30.5 + 10.0 / depth, 20.5 + 10.0 / depth)
        assert depth == pytest.approx(round(depth))
    assert tuple(somebody.keypoints[0, 0]) == pytest.approx(first)
    batch = next(iter(data.val_dataloader()))
    assert batch.instances.keypoints.shape[2] == count and (batch.instances.visibility > 0).any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_four_pictures_of_a_frame_stay_on_one_side(tmp_path: Path) -> None:
    make_freihand(tmp_path)
    data = data_of("freihand", tmp_path, "data.split.val=0.4")
    assert data.train is not None and data.val is not None
    frames = [{int(Path(r.file).stem) % 10 for r in part.records} for part in (data.train, data.val)]
    assert not frames[0] & frames[1] and len(frames[1]) == 4 and len(data.val) == 16


@pytest.mark.slow
def test_a_data_set_that_is_missing_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        data_of("crowdpose", tmp_path)
    said = str(error.value)
    assert f"missing: {tmp_path}/json/crowdpose_train.json" in said
    assert "https://github.com/Jeff-sjtu/CrowdPose" in said and "licence: none stated" in said
    assert "      images/100000.jpg ..." in said and f"data.root=FOLDER, now {tmp_path}" in said
    assert list(tmp_path.iterdir()) == []


#: Data that are read or drawn without a folder of a name that is known.
OWN = {"folder", "synthetic", "plate", "joined"}


@pytest.mark.parametrize("name", [n for n in config_folders.groups()["data"] if n not in OWN])
def test_every_config_of_files_says_what_it_needs(name: str) -> None:
    import yaml

    config = yaml.safe_load((config_folders.project() / "data" / f"{name}.yaml").read_text())
    with pytest.raises(DataError, match=r"(?s)is not there.*missing: .*get it: .*licence: .*layout:"):
        absent.check(config)
    assert all(str(config["needs"][field]).strip() for field in absent.FIELDS)
    assert set(config["needs"]["keys"]) <= {
        f"{a}.{b}" for a, own in config.items() if isinstance(own, dict) for b in own
    }


def test_what_is_left_out_or_somewhere_else_is_not_missed(tmp_path: Path) -> None:
    needs = {"name": "x", "source": "s", "licence": "l", "layout": "x/", "keys": ["train.labels", "val.labels"]}
    there = str(tmp_path)
    absent.check({"root": "/nowhere", "needs": needs, "train": {"labels": [there, there]}, "val": None})
    absent.check({"root": "/nowhere"})
    with pytest.raises(DataError, match="missing: /nowhere/at/all"):
        absent.check({"needs": needs, "train": {"labels": [there, "/nowhere/at/all"]}, "val": None})
    with pytest.raises(ConfigError, match=r"no data\.val\.labels"):
        absent.check({"needs": needs, "train": {"labels": there}, "val": {}})
    with pytest.raises(ConfigError, match="must have the fields name, source"):
        absent.check({"needs": {"name": "x"}})
