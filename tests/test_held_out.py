"""What runs were trained on, by their provenance alone: overlap with what they are judged by, and with each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature import held_out
from armature.comparison.alike import same_images, training_remarks
from armature.comparison.contenders import Contender
from armature.configuration import compose
from armature.data.datamodule import KeypointData
from armature.data.split import Fold, Fraction
from armature.errors import UserError
from armature.evaluation.results import Truth


def source(count: int = 10, ids: int = 100) -> Any:
    from armature.data.synthetic import Synthetic
    from armature.skeletons import make

    trio = make("trio", ["nose", "left_eye", "right_eye"])
    return Synthetic(trio, length=count, size=(32, 32), seed=ids, vary=False)


def said(**options: Any) -> dict[str, Any]:
    return KeypointData(workers=0, **options).split_description()


def test_images_of_the_training_part_are_counted_where_they_are_judged() -> None:
    pictures = source()
    trained = {"data": {"split": said(source=pictures, split=Fold(0, 5))}}
    assert held_out.trained_on(trained, said(source=pictures, split=Fold(0, 5))) == 0
    assert held_out.trained_on(trained, said(source=pictures, split=Fold(1, 5))) == 2
    seen = held_out.warning(trained, said(source=pictures, split=Fold(1, 5)))
    assert seen is not None and seen.startswith("2 of the 2 images to judge by are images that this run was trained on")


def test_other_pictures_may_have_the_same_ids() -> None:
    trained = {"data": {"split": said(source=source(ids=1), split=Fold(0, 5))}}
    assert held_out.warning(trained, said(source=source(ids=2), split=Fold(1, 5))) is None
    assert held_out.warning({}, said(source=source(), split=Fold(1, 5))) is None


def test_a_whole_training_part_is_known_by_its_digest() -> None:
    own = KeypointData(train=source(), val_on_train=True, workers=0).split_description()
    assert held_out.trained_on({"data": {"split": own}}, own) == 10
    apart = said(train=source(6), val=source(4))
    assert held_out.trained_on({"data": {"split": apart}}, apart) == 0


def contender(name: str, truth: Truth, provenance: dict[str, Any]) -> Contender:
    return Contender(name, Path(name), truth, None, None, provenance=provenance)  # type: ignore[arg-type]


@pytest.fixture
def two() -> Callable[..., list[Contender]]:
    """Two runs on one source, divided in two ways."""

    def make(first: Any, second: Any, images: tuple[int, int] = (1, 1)) -> list[Contender]:
        pictures = source()
        truth = Truth.from_records(pictures.records, pictures.skeleton)
        found = []
        for name, split, shown in zip("ab", (first, second), images):
            own = replace(truth, image_ids=truth.image_ids[::shown])
            found.append(contender(name, own, {"data": {"split": said(source=pictures, split=split)}}))
        return found

    return make


def test_compare_says_where_training_images_differ(two: Callable) -> None:
    (remark,) = training_remarks(two(Fraction(0.2, 0), Fraction(0.2, 1)))
    assert remark.startswith("These were not trained on the same images: 8 (") and "(a)" in remark and "(b)" in remark
    assert training_remarks(two(Fraction(0.2, 0), Fraction(0.2, 0))) == []
    bare = contender("c", two(Fold(), Fold())[0].truth, {})
    assert training_remarks([*two(Fold(), Fold()), bare]) == []


def test_compare_says_how_data_were_divided_where_their_images_differ(two: Callable) -> None:
    with pytest.raises(UserError, match=r"divided in different ways: fold 0 of 5, seed 0 \(a\); 0.2 held out, seed 3"):
        same_images(two(Fold(0, 5), Fraction(0.2, 3), (1, 2)))
    with pytest.raises(UserError) as plain:
        same_images(two(Fold(0, 5), Fold(0, 5), (1, 2)))
    assert "divided" not in str(plain.value)


@pytest.mark.long
def test_every_architecture_gets_the_same_split_whatever_its_seed(tmp_path: Path) -> None:
    from armature import assembly, config_folders

    rows = "".join(f"film{i % 7}/{i}.png,64,48,{i},2,3,4\n" for i in range(40))
    for i in range(40):
        (tmp_path / f"film{i % 7}").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"film{i % 7}" / f"{i}.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels.csv").write_text(f"file,width,height,left_ear_x,left_ear_y,nose_x,nose_y\n{rows}")
    tiny = [name for name in config_folders.groups()["architecture"] if name.endswith("_tiny")]
    assert len(tiny) > 4
    parts: dict[str, set[str]] = {}
    for number, name in enumerate(tiny):
        for split in ("fraction", "fold", "group", "group_fold"):
            changes = [f"architecture={name}", f"seed={number}", f"split@data.split={split}"]
            config = compose("train", ["data=folder", f"data.path={tmp_path}", *changes])
            data = assembly.data(config)
            parts.setdefault(split, set()).add(_digests(data))
    assert all(len(found) == 1 for found in parts.values())
    assert len(set.union(*parts.values())) == 4


def _digests(data: KeypointData) -> str:
    from armature.data.split import digest

    assert data.train is not None and data.val is not None
    return digest(data.train) + digest(data.val)
