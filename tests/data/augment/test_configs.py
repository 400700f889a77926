"""Augmentations from the command line: one name or several, each in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from armature import config_folders
from armature.augmentation import Photometric
from armature.building import build
from armature.configuration import compose
from armature.data.augment.order import in_order
from armature.errors import ConfigError
from armature.skeletons import load

FOLDER = config_folders.project() / "augment"
NAMES = sorted(f.stem for f in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("none", "photometric")])
def test_every_file_says_where_its_numbers_are_from(name: str) -> None:
    comments = "\n".join(line for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if line.startswith("#"))
    assert f"augment={name}" in comments
    # A year, one of the networks here, or that nobody published any.
    assert any(
        word in comments
        for word in ("et al.", "Taylor", "YOLO", "RTMPose", "TensorFlow", "torchvision", "ours", "Ranges as")
    )


def test_several_at_once_come_to_their_places() -> None:
    config = compose("train", ["augment=[jpeg,photometric,copy_paste,half_body,mosaic]", "data=coco_mini"])
    assert list(config.data.augment) == ["jpeg", "copy_paste", "half_body"]
    assert config.data.mosaic._target_.endswith("Mosaic")
    assert isinstance(build(config.augment), Photometric)
    skeleton = load(config_folders.project() / "skeleton" / "coco_person.yaml")
    ordered, half = in_order(build(config.data.augment), skeleton)
    assert list(ordered) == ["copy_paste", "jpeg"]
    assert half is not None
    # Pasting needs outlines, which sources keep only where they are asked for.
    assert config.data.train.segments is True
    assert compose("train", ["augment=jpeg", "data=coco_mini"]).data.train.segments is False


def test_photometric_parts_add_up() -> None:
    parts = compose("train", ["augment=[colour,blur,noise]"]).augment
    whole = yaml.safe_load((FOLDER / "photometric.yaml").read_text())
    assert dict(parts) == whole


def test_the_older_way_to_mosaics_still_leads_there() -> None:
    older = compose("train", ["+mosaic@data.mosaic=four", "data=coco_mini"]).data.mosaic
    assert older == compose("train", ["augment=mosaic", "data=coco_mini"]).data.mosaic


def test_a_wrong_name_among_several_is_told() -> None:
    with pytest.raises(ConfigError, match="no 'mixpu' in group augment, did you mean 'mixup'"):
        compose("train", ["augment=[jpeg,mixpu]"])


def test_numbers_are_tuned_by_name() -> None:
    config = compose("train", ["augment=[cutout,jpeg]", "data.augment.cutout.size=[0.1,0.2]"])
    assert list(config.data.augment.cutout.size) == [0.1, 0.2]


def test_configs_and_defaults_agree() -> None:
    """Whoever builds one in Python without numbers gets those of the file, but for what is written there to tell."""
    for name in ("mixup", "jpeg", "keypoint_occlusion", "cutout"):
        node = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        made, plain = build(node), build({"_target_": node["_target_"]})
        assert {k: str(v) for k, v in vars(made).items()} == {k: str(v) for k, v in vars(plain).items()}, name


def test_folder_of_the_group_is_whole() -> None:
    assert Path(FOLDER / "none.yaml").is_file()
    assert {"affine", "flip", "half_body", "mosaic", "mixup", "copy_paste", "colour", "blur", "noise"} <= set(NAMES)
    assert {"cutout", "keypoint_occlusion", "jpeg"} <= set(NAMES)
