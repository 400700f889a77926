"""``armature data skeleton``: pictures, drafts from labelled people, unions; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature import cli, config_folders, skeleton_draft
from armature.skeletons import load, make

FOLDER = config_folders.project() / "skeleton"


def call(*arguments: str) -> int:
    return cli.main(["data", "skeleton", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mice(names: list[str]) -> dict[str, Any]:
    """Mice from above as a COCO file: snout, ears, tail."""
    rng = np.random.default_rng(0)
    body = np.array([[0, 2.0], [-0.7, 1.0], [0.7, 1.0], [0, -2.0]])
    people = []
    for i in range(30):
        turn = rng.uniform(0, 2 * np.pi)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = (body @ matrix.T + rng.normal(0, 0.05, (4, 2))) * 30 + 200
        triples = np.concatenate([points, np.full((4, 1), 2)], 1).ravel().tolist()
        person = {"id": i + 1, "image_id": 1, "category_id": 1, "bbox": [100, 100, 200, 200], "area": 9000}
        people.append(person | {"iscrowd": 0, "keypoints": triples, "num_keypoints": 4})
    image = {"id": 1, "file_name": "1.png", "width": 400, "height": 400}
    return {"images": [image], "annotations": people, "categories": [{"id": 1, "name": "mouse", "keypoints": names}]}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ending"), [("mpii", "png"), ("mirror_mouse", "svg"), ("hand_21", "pdf")])
def test_a_picture_of_a_skeleton(name: str, ending: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(f"skeleton={name}", f"output=new/it.{ending}") == 0
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (folder / "new" / f"it.{ending}").read_bytes().startswith(begins)
    skeleton = load(FOLDER / f"{name}.yaml")
    assert f"{name}: {skeleton.count} keypoints, {len(skeleton.edges)} limbs" in capsys.readouterr().out


def test_a_draft_is_a_skeleton_file_with_everything_to_confirm(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mice.json").write_text(json.dumps(mice(["snout", "leftear", "rightear", "tail base"])))
    assert call("from=mice.json", "output=mouse.yaml", "picture=mouse.png") == 0
    assert "to confirm in mouse.yaml: 3 limbs, 1 mirrored pairs by name, 0 by symmetry" in capsys.readouterr().out
    drafted, text = load(folder / "mouse.yaml"), (folder / "mouse.yaml").read_text()
    assert drafted.name == "mouse" and drafted.keypoints == ("snout", "leftear", "rightear", "tail base")
    assert drafted.flip == (0, 2, 1, 3) and len(drafted.edges) == 3 and drafted.sigmas is None
    assert "Guessed from 30 people of category 'mouse' in mice.json" in text
    assert text.count("# to confirm: length varies by") == 3 and text.count("# to confirm: by name") == 1
    assert (folder / "mouse.png").read_bytes().startswith(b"\x89PNG")
    assert call("file=mouse.yaml", "output=again.png") == 0


def test_names_that_tell_nothing_leave_it_to_symmetry(folder: Path) -> None:
    (folder / "mice.json").write_text(json.dumps(mice(["1", "2", "yes", "a: b"])))
    assert call("from=mice.json", "output=mouse.yaml") == 0
    drafted = load(folder / "mouse.yaml")
    assert drafted.keypoints == ("1", "2", "yes", "a: b") and drafted.flip == (0, 2, 1, 3)
    assert "to confirm: by symmetry, " in (folder / "mouse.yaml").read_text()


def test_what_is_there_is_not_lost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mice.json").write_text(json.dumps(mice(["a", "b", "c", "d"])))
    (folder / "mouse.yaml").write_text("mine")
    assert call("from=mice.json", "output=mouse.yaml") == 2
    assert "output=mouse.yaml is there already" in capsys.readouterr().err
    assert (folder / "mouse.yaml").read_text() == "mine"
    assert call("from=mice.json", "output=mouse.yaml", "overwrite=true") == 0


def test_a_union_and_an_intersection_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("join=[coco_person,lsp]", "output=both.yaml") == 0
    assert "lsp: has 14 of the 19" in capsys.readouterr().out
    both, text = load(folder / "both.yaml"), (folder / "both.yaml").read_text()
    assert both.name == "both" and both.keypoints[-2:] == ("neck", "head_top") and both.sigmas is None
    assert "coco_person have theirs" in text
    assert call("join=[both.yaml,mpii]", "how=intersection", "output=common.yaml", "picture=common.png") == 0
    common = load(folder / "common.yaml")
    assert common.count == 14 and common.sigmas is None and (folder / "common.png").is_file()
    assert call("join=[coco_person,coco_foot]", "output=feet.yaml") == 0
    assert load(folder / "feet.yaml").sigmas == load(FOLDER / "coco_foot.yaml").sigmas


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs output=FILE"),
        (["output=x.yaml"], "a picture is written, whose name ends in .png or .svg or .pdf"),
        (["from=gone.json", "output=x.png"], "a skeleton file is written, whose name ends in .yaml or .yml"),
        (["from=gone.json", "output=x.yaml"], "gone.json: cannot be read"),
        (["from=gone.json", "file=y.yaml", "output=x.yaml"], "one of from, join and file; found from and file"),
        (["join=[lsp]", "output=x.yaml"], "give two or more skeletons"),
        (["join=[lsp,mpi]", "output=x.yaml"], "no skeleton 'mpi', did you mean 'mpii'"),
        (["join=[lsp,mpii]", "how=sum", "output=x.yaml"], "how=sum: known are union and intersection"),
        (["file=gone.yaml", "output=x.png"], "gone.yaml"),
    ],
)
def test_mistakes_are_named(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_annotations_that_make_no_skeleton(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = mice(["a", "b", "b", "c"])
    (folder / "mice.json").write_text(json.dumps(data))
    assert call("from=mice.json", "output=mouse.yaml") == 2
    assert "mice.json: categories[].keypoints repeats ['b']" in capsys.readouterr().err
    data = mice(["a", "b", "c", "d"])
    (folder / "mice.json").write_text(json.dumps(data | {"annotations": data["annotations"][:3]}))
    assert call("from=mice.json", "output=mouse.yaml") == 2
    assert "only 3 people" in capsys.readouterr().err
    assert not (folder / "mouse.yaml").exists()


def test_every_skeleton_survives_being_written() -> None:
    import yaml

    names, edges = ["null", "a: b", "\u00e4", "left ear", "right ear"], [["null", "a: b"]]
    odd = make("odd", names, edges, sigmas=[1e-5, 1, 2, 3, 4], groups={"no": ["a: b", "null"]})
    for skeleton in [odd, *(load(file) for file in FOLDER.glob("*.yaml"))]:
        text = skeleton_draft.text(skeleton, ["a comment " * 40])
        fields = yaml.safe_load(text)
        fields.pop("_target_")
        again = make(**fields)
        assert (again.keypoints, again.edges, again.flip, again.groups) == (
            skeleton.keypoints, skeleton.edges, skeleton.flip, skeleton.groups)  # fmt: skip
        assert again.sigmas == skeleton.sigmas
        assert max(map(len, text.splitlines())) <= 120


def test_a_folder_of_another_format_says_as_much_as_coco(folder: Path) -> None:
    names = ["snout", "leftear", "rightear", "tail"]
    Path("coco").mkdir()
    Path("coco/a.json").write_text(json.dumps(mice(names)))
    assert call("from=coco/a.json", "output=a.yaml") == 0
    assert cli.main(["data", "convert", "from=coco", "to=boxes", "to_format=label_studio", "pictures=none"]) == 0
    assert call("from=boxes", "output=b.yaml") == 0
    a, b = load("a.yaml"), load("b.yaml")
    assert (a.keypoints, a.flip) == (b.keypoints, b.flip) and set(map(frozenset, a.edges)) == set(
        map(frozenset, b.edges)
    )
