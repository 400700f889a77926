"""What a folder is taken for, and what is said when it is nothing or several things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from armature.data import recognising
from armature.data.labels.files import PictureIndex, folder_of_pictures, split_of
from armature.errors import ConfigError, DataError

from .conftest import READ_ONLY, picture

COUNTS = {"coco_wholebody": 133, "crowdpose": 14, "mpii": 16, "wflw": 98}


@pytest.mark.parametrize("name", recognising.names())
def test_every_format_is_recognised_and_says_by_what(name: str, plain: Callable, tmp_path: Path) -> None:
    module, count = recognising.get(name), COUNTS.get(name, 4)
    labels = plain(count, getattr(module, "KEYPOINTS", tuple(f"left {i}" for i in range(count))))
    if name in READ_ONLY:
        READ_ONLY[name](tmp_path / "it")
    else:
        recognising.write(labels, name, tmp_path / "it")
    found, reason = recognising.recognise(tmp_path / "it")
    # COCO's own form with the further field of CrowdPose is CrowdPose's.
    assert found == name
    assert module.TITLE in reason
    assert module.LOOKS_FOR and (module.HOLDS or name in READ_ONLY)


def test_what_is_none_of_them_lists_what_was_looked_for(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"(?s)its format was not recognised; looked for\n  coco: a json.*yolo: a data\.yaml"
    ):
        recognising.recognise(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        recognising.recognise(tmp_path / "gone")
    (tmp_path / "it.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"it\.zip: is an archive; unpack it"):
        recognising.read(tmp_path / "it.zip")


def test_what_is_two_of_them_asks_which(plain: Callable, tmp_path: Path) -> None:
    recognising.write(plain(4), "yolo", tmp_path / "it")
    recognising.write(plain(4), "csv", tmp_path / "it" / "more", pictures="none")
    with pytest.raises(DataError, match=r"(?s)could be in 2 formats.*csv: labels\.csv.*yolo: data\.yaml"):
        recognising.read(tmp_path / "it")
    assert recognising.read(tmp_path / "it", "yolo").images


def test_unknown_names_and_options() -> None:
    with pytest.raises(ConfigError, match=r"no format 'coko', did you mean 'coco'\?; known: coco, "):
        recognising.get("coko")
    with pytest.raises(ConfigError, match=r"format csv has no option \['ofset'\]; its options: \['offset'\]"):
        recognising.read(Path(__file__).parent, "csv", {"ofset": 1})


def test_one_read_serves_config_and_data(plain: Callable, tmp_path: Path) -> None:
    recognising.write(plain(4), "csv", tmp_path / "it")
    first = recognising.read_once(tmp_path / "it")
    assert recognising.read_once(tmp_path / "it") is first
    recognising.forget()
    assert recognising.read_once(tmp_path / "it") is not first


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("person_keypoints_train2017",), "train"),
        (("instances_default", "valid"), "val"),
        (("a", "Testset"), "test"),
        (("training_images",), "train"),
        (("strain", "interval", "contest"), ""),
    ],
)
def test_splits_by_names(names: tuple[str, ...], split: str) -> None:
    assert split_of(*names) == split


def test_pictures_are_found_below_the_folder_only(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png", "y.png"):
        picture(tmp_path / "root" / name)
    picture(tmp_path / "z.png")
    index = PictureIndex(tmp_path / "root")
    assert index.find("C:\\somewhere\\b\\x.png") == "b/x.png"
    assert index.find("x.png", "a/") == "a/x.png"
    assert index.find("../../z.png") == "z.png"  # not the one outside: a name that the check will not find
    assert index.find("/etc/y.png") == "y.png"
    with pytest.raises(DataError, match=r"several pictures could be 'x\.png': a/x\.png, b/x\.png"):
        index.find("x.png")


def test_the_folder_of_pictures_follows_the_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / "images" / split / "a.png")
    for split in ("train", "val"):
        assert folder_of_pictures(tmp_path, tmp_path, ["a.png"], split) == tmp_path / "images" / split


def test_links_out_of_the_folder_are_not_copied(plain: Callable, tmp_path: Path) -> None:
    recognising.write(plain(4), "csv", tmp_path / "it")
    secret = tmp_path / "secret.png"
    picture(secret)
    inside = tmp_path / "it" / "images" / "train" / "a.png"
    inside.unlink()
    inside.symlink_to(secret)
    with pytest.raises(DataError, match="leads to a place outside"):
        recognising.write(recognising.read(tmp_path / "it"), "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_as_links_or_not_at_all(plain: Callable, tmp_path: Path) -> None:
    labels = plain(4)
    recognising.write(labels, "coco", tmp_path / "links", pictures="link")
    assert (tmp_path / "links" / "images" / "train" / "a.png").is_symlink()
    recognising.write(labels, "coco", tmp_path / "none", pictures="none")
    assert not (tmp_path / "none" / "images").exists()
    with pytest.raises(ConfigError, match="pictures=all: known are copy, link, none"):
        recognising.write(labels, "coco", tmp_path / "all", pictures="all")


def test_a_picture_that_is_not_there_is_counted(plain: Callable, tmp_path: Path) -> None:
    recognising.write(plain(4), "csv", tmp_path / "it")
    (tmp_path / "it" / "images" / "val" / "b.png").unlink()
    gone = recognising.write(recognising.read(tmp_path / "it"), "coco", tmp_path / "out")
    assert gone == ["1 pictures that are not there (only their labels were written)"]


def test_labels_above_a_folder_of_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "set" / "images" / "train").mkdir(parents=True)
    (tmp_path / "set" / "notes.json").write_text("{}")
    with pytest.raises(DataError, match="was not recognised"):
        recognising.recognise(tmp_path / "set" / "images")
    (tmp_path / "set" / "data.yaml").write_text("train: images\nval: images\nkpt_shape: [4, 3]\nnames: [mouse]\n")
    for folder, up in (("images", r"\.\./"), ("images/train", r"\.\./\.\./")):
        with pytest.raises(
            DataError, match=rf"{up}data\.yaml looks like .*YOLO.*: data\.path={tmp_path}/set/data\.yaml"
        ):
            recognising.recognise(tmp_path / "set" / folder)
