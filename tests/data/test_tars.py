"""Pictures in tars: the same bytes, the same training, resumed exactly, and few tars at a time."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature.data import recognising, tars
from armature.data.coco import CocoKeypoints
from armature.data.dataset import Order
from armature.data.folder import folder_data
from armature.data.formats import shards
from armature.data.pictures import fault, picture_size, read_picture
from armature.data.split import Fraction
from armature.errors import ConfigError, DataError
from armature.structures import Skeleton


@pytest.fixture
def folder(
    tmp_path: Path, write_coco: Callable, make_coco: Callable, trio: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Twenty pictures in shards of six."""
    write_coco(make_coco(20))
    rng = np.random.default_rng(0)
    for file in (tmp_path / "images").iterdir():
        cv2.imwrite(str(file), rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    monkeypatch.setattr(shards, "EACH", 6)
    labels = recognising.read(tmp_path / "annotations.json", "coco")
    recognising.write(labels, "shards", tmp_path / "sharded")
    return tmp_path / "sharded"


def pictures_in(tar: Path) -> list[str]:
    with tarfile.open(tar) as content:
        return [name for name in content.getnames() if name.endswith(".jpg")]


def test_shards_are_recognised_and_hold_the_very_files(folder: Path, tmp_path: Path) -> None:
    assert sorted(f.name for f in folder.glob("*.tar")) == [f"shard-{n:06d}.tar" for n in range(4)]
    assert recognising.recognise(folder)[0] == "shards"
    labels = recognising.read(folder)
    before = {i.ident: i for i in recognising.read(tmp_path / "annotations.json").images}
    assert {i.ident for i in labels.images} == set(before) and [i.ident for i in labels.images] != list(before)
    for image in labels.images:
        original = tmp_path / before[image.ident].file
        assert tars.read_member(*tars.split_path(folder / image.file)).tobytes() == original.read_bytes()  # type: ignore[misc]
        np.testing.assert_allclose(image.people[0].keypoints, before[image.ident].people[0].keypoints, atol=1e-5)
        assert picture_size(folder / image.file) == (24, 32) and fault(folder / image.file, (24, 32)) is None
        assert np.array_equal(read_picture(folder / image.file), read_picture(original))


def test_each_picture_has_its_labels_beside_it_for_other_programs(folder: Path) -> None:
    with tarfile.open(folder / "shard-000001.tar") as content:
        names = content.getnames()
        said = json.load(content.extractfile(names[1]))  # type: ignore[arg-type]
    assert names[1] == names[0] + ".json" and names[0].endswith(".jpg") and len(names) == 12
    assert said["annotations"][0]["num_keypoints"] == 2 and said["image"]["width"] == 32


def test_an_index_is_not_needed_and_an_old_one_not_believed(folder: Path) -> None:
    tar = folder / "shard-000000.tar"
    names = pictures_in(tar)
    right = [tars.read_member(tar, n).tobytes() for n in names]
    index = tar.with_suffix(".index")
    for content in (None, "{", json.dumps({"bytes": 1, "members": {names[0]: [0, 4]}})):
        index.unlink() if content is None else index.write_text(content)
        tars._opened.cache_clear()
        assert [tars.read_member(tar, n).tobytes() for n in names] == right


def test_what_is_missing_or_torn_is_said(folder: Path) -> None:
    tar = folder / "shard-000000.tar"
    with pytest.raises(DataError, match=r"shard-000000\.tar/x\.jpg: no such file in the tar"):
        tars.read_member(tar, "x.jpg")
    assert fault(tar / "x.jpg", (24, 32)) == "no such file in the tar"
    name = pictures_in(tar)[0]
    tar.write_bytes(tar.read_bytes()[:700])
    tars._opened.cache_clear()
    with pytest.raises(DataError, match=r"ends too early|no such file|no uncompressed"):
        tars.read_member(tar, name)
    tar.write_bytes(b"not a tar")
    tars._opened.cache_clear()
    with pytest.raises(DataError, match="is no uncompressed tar"):
        tars.read_member(tar, name)


def test_training_from_shards_is_checked_and_resumed_exactly(folder: Path, trio: Skeleton) -> None:
    def loader(**options: Any) -> Any:
        data = folder_data(
            str(folder), trio, split=Fraction(0.2, 1), canvas=(32, 32), workers=0, batch_size=3, seed=5, **options
        )
        return data.train_dataloader()

    whole = [b.image_ids.tolist() for b in loader()]
    assert whole == [b.image_ids.tolist() for b in loader()] and len(whole) == 5
    first = loader()
    iterator = iter(first)
    begun = [next(iterator).image_ids.tolist() for _ in range(2)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert begun + [b.image_ids.tolist() for b in second] == whole
    one, two = next(iter(loader())), next(iter(loader()))
    assert np.array_equal(one.images, two.images) and (one.instances.visibility > 0).any()


def test_other_readers_go_through_tars_too(folder: Path, trio: Skeleton) -> None:
    annotations = next((folder / "annotations").iterdir())
    source = CocoKeypoints(annotations, folder, trio)
    assert source.check() == []
    assert source.read(3)[0].shape == (24, 32, 3)
    (folder / "shard-000002.tar").unlink()
    assert len(source.check()) == 6


def test_a_pass_goes_through_few_tars_at_a_time_and_shows_everything() -> None:
    groups = np.repeat(np.arange(12), 10)
    order = tars.mixed(groups, np.random.default_rng(0), window=3)
    assert sorted(order.tolist()) == list(range(120))
    for start in range(0, 120, 30):
        assert len(set(groups[order[start : start + 30]].tolist())) == 3
    assert len(set(groups[order[:10]].tolist())) > 1  # not one tar after the other
    assert order.tolist() == tars.mixed(groups, np.random.default_rng(0), window=3).tolist()
    assert order.tolist() != tars.mixed(groups, np.random.default_rng(1), window=3).tolist()


def test_the_order_of_samples_follows_the_tars() -> None:
    groups = np.repeat(np.arange(40), 2)
    order = Order(80, True, 3, shards=groups)
    first = [i for _, i in order]
    assert sorted(first) == list(range(80)) and len(set(groups[first[:32]].tolist())) == tars.WINDOW
    ranks = [list(Order(80, True, 3, rank=r, world=2, shards=groups)) for r in range(2)]
    assert [i for pair in zip(*ranks) for _, i in pair] == first
    assert tars.shards_of(["a.tar/x.jpg", "b.tar/y.jpg", "a.tar/z.jpg"]).tolist() == [0, 1, 0]  # type: ignore[union-attr]
    assert tars.shards_of(["a.tar/x.jpg", "y.jpg"]) is None and tars.shards_of([]) is None


def test_shards_hold_their_pictures(folder: Path, tmp_path: Path) -> None:
    labels = recognising.read(folder)
    with pytest.raises(ConfigError, match="only pictures=copy makes sense"):
        recognising.write(labels, "shards", tmp_path / "again", "link")
    assert not (tmp_path / "again").exists()
    recognising.write(labels, "shards", tmp_path / "again")
    again = {i.ident: i for i in recognising.read(tmp_path / "again").images}
    for image in labels.images:
        assert np.array_equal(
            read_picture(folder / image.file), read_picture(tmp_path / "again" / again[image.ident].file)
        )
