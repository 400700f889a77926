"""Pictures that belong together stay together: what names their group, and splits of whole groups."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from armature.data.coco import CocoKeypoints
from armature.data.datamodule import KeypointData
from armature.data.dlc import DeepLabCut
from armature.data.folder import folder_data
from armature.data.groups import groups
from armature.data.joined import Joined
from armature.data.mapped import Mapped
from armature.data.split import Fold, Fraction, Subset, digest, divide
from armature.errors import ConfigError
from armature.structures import Skeleton

NAMES = ["b", "a", "a", "c", "b", "a", "d", "d", "e", "f", "a", "b"]


@pytest.fixture
def films(dots: Callable) -> Any:
    """Twelve pictures of six films."""
    source = dots(len(NAMES))
    source.records = [replace(r, file=f"{name}/img_{i}.png") for i, (r, name) in enumerate(zip(source.records, NAMES))]
    return source


def names_of(part: Subset) -> set[str]:
    return {record.file.split("/")[0] for record in part.records}


def test_folders_and_patterns_name_groups(films: Any) -> None:
    assert groups(films, "folder") == NAMES
    assert groups(films, "^(.)/") == NAMES
    assert groups(films, "^(.)/img_(1?).*") == [f"{n}/1" if i == 1 or i > 9 else f"{n}/" for i, n in enumerate(NAMES)]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("video", r"by=video: no such field; its labels have no fields.*folder.*parentheses"),
        ("(", r"by=\(: is no regular expression"),
        (r"\(a\)", r"needs parentheses"),
        ("^([ab])/", r"does not fit these images: c/img_3.png, d/img_6.png, d/img_7.png \(5 of 12\)"),
    ],
)
def test_what_names_no_group_is_refused(films: Any, by: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        groups(films, by)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_fraction_holds_out_whole_groups_near_its_share(films: Any, seed: int, share: float) -> None:
    train, val = divide(films, Fraction(share, seed, by="folder"))
    assert sorted(train.indices + val.indices) == list(range(12))
    assert not names_of(train) & names_of(val) and names_of(train)
    # One group has four images, so that nothing can be further off than half of them.
    assert abs(len(val) - share * 12) <= 2


def test_folds_hold_out_every_group_once_and_are_alike_in_size(films: Any) -> None:
    parts = [divide(films, Fold(fold, 3, seed=5, by="folder")) for fold in range(3)]
    assert sorted(i for _, val in parts for i in val.indices) == list(range(12))
    assert Counter(len(val) for _, val in parts) == {4: 3}  # 4 + 3 + 2 + 1 + 1 + 1 images go into 4, 4, 4
    assert all(not names_of(train) & names_of(val) for train, val in parts)


def test_the_order_of_files_changes_nothing(films: Any) -> None:
    split = Fraction(0.4, 3, by="folder")
    expected = names_of(divide(films, split)[1])
    films.records = films.records[::-1]
    assert names_of(divide(films, split)[1]) == expected
    assert any(names_of(divide(films, Fraction(0.4, seed, by="folder"))[1]) != expected for seed in range(5))


def test_one_group_cannot_be_divided_and_few_give_few_folds(films: Any) -> None:
    with pytest.raises(ConfigError, match=r"all 12 images are in one group, 'img'; needs at least 2"):
        divide(films, Fraction(0.5, by="/(img)_"))
    with pytest.raises(ConfigError, match=r"in 6 groups \(a, b, c, d, e, f\); needs at least 7"):
        divide(films, Fold(0, 7, by="folder"))


def test_the_only_large_group_is_not_held_out_for_a_small_share(dots: Callable) -> None:
    source = dots(10)
    source.records = [replace(r, file=f"{'big' if i < 8 else i}/x.png") for i, r in enumerate(source.records)]
    assert {len(divide(source, Fraction(0.05, seed, by="folder"))[1]) for seed in range(6)} == {1}


def test_fields_of_a_coco_file_name_groups(write_coco: Callable, make_coco: Callable, trio: Skeleton) -> None:
    content = make_coco(4)
    for i, image in enumerate(content["images"]):
        image["video"] = f"film{i % 2}"
    for i, one in enumerate(content["annotations"]):
        one["subject"] = i // 2
    annotations, images = write_coco(content)
    source = CocoKeypoints(annotations, images, trio)
    assert groups(source, "video") == ["film0", "film1", "film0", "film1"]
    assert groups(source, "subject") == ["0", "0", "1", "1"]
    assert groups(Subset(source, [3, 0]), "subject") == ["1", "0"]
    assert groups(Mapped(source, trio), "video") == groups(source, "video")
    both = Joined({"one": source, "two": source}, trio)
    assert groups(both, "source") == ["one"] * 4 + ["two"] * 4
    with pytest.raises(ConfigError, match=r"no such field; its labels have .*subject, video"):
        groups(source, "animal")


def test_people_of_several_subjects_belong_to_no_group(
    write_coco: Callable, make_coco: Callable, make_person: Callable, trio: Skeleton
) -> None:
    content = make_coco(2)
    content["annotations"] = [make_person(i, 11 + (i > 2), subject=i) for i in (1, 2, 3)]
    annotations, images = write_coco(content)
    with pytest.raises(ConfigError, match=r"no 'subject', or people of several: 11.jpg \(1 of 2\)"):
        groups(CocoKeypoints(annotations, images, trio), "subject")


def test_a_folder_of_any_format_knows_its_fields(tmp_path: Path, trio: Skeleton) -> None:
    rows = [f"{i}.png,film{i // 3},32,24,{i},{i},5,6,7,8" for i in range(6)]
    head = "file,video,width,height," + ",".join(f"{k}_{c}" for k in trio.keypoints for c in "xy")
    (tmp_path / "labels.csv").write_text("\n".join([head, *rows]))
    data = folder_data(str(tmp_path), trio, split=Fraction(0.5, by="video"), on_bad_image="skip")
    assert data.train is not None and data.val is not None
    assert {len(data.train), len(data.val)} == {3}
    assert len({r.file for r in data.val.records} & {"0.png", "3.png"}) == 1


@pytest.mark.data
def test_a_deeplabcut_project_has_videos(real_data: Path, skeleton_file: Callable) -> None:
    source = DeepLabCut(real_data / "openfield", skeleton_file("openfield_mouse"))
    assert set(groups(source, "video")) == {"m4s1"}


def test_a_fold_of_the_data_needs_no_split_of_its_own(films: Any) -> None:
    split = Fraction(0.3, seed=4, by="folder")
    module = KeypointData(source=films, split=split, fold=1, folds=3, workers=0)
    expected = divide(films, Fold(1, 3, 4, "folder"))
    assert [r.image_id for r in module.val_records()] == [r.image_id for r in expected[1].records]
    assert module.split_description() | {"kind": "fold", "fold": 1, "folds": 3, "seed": 4, "by": "folder"} == (
        module.split_description()
    )
    bare = KeypointData(source=films, fold=0, workers=0)
    assert len(bare.val_records()) == 3


def test_a_fold_of_data_that_come_divided_is_one_of_the_training_part(films: Any, dots: Callable) -> None:
    modules = [KeypointData(train=films, val=dots(5), fold=fold, workers=0) for fold in range(5)]
    held = [r.image_id for module in modules for r in module.val_records()]
    assert sorted(held) == [r.image_id for r in films.records]
    assert modules[0].split_description()["train"] == 12 - len(modules[0].val_records())


def test_parts_are_known_by_their_images_alone(films: Any) -> None:
    module = KeypointData(source=films, split=Fraction(0.25, 1), workers=0)
    said = module.split_description()
    assert said["train"] == 9 and said["val"] == 3 and said["share"] == 0.25
    assert said["digests"] == {"train": digest(module.train), "val": digest(module.val)}  # type: ignore[arg-type]
    assert digest(Subset(films, [3, 1])) == digest(Subset(films, [1, 3])) != digest(Subset(films, [1, 2]))
    json.dumps(said)
