"""What the page knows are the records, and it shows what is asked for."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from browser import chromium, complaints
from dots import Dots

from armature.data.joined import Joined
from armature.errors import DataError
from armature.showing import page, problems
from armature.showing.output import Output
from armature.structures import Record

NASTY = '</script><img src=x onerror="document.title=1">'


def told(folder: Path) -> dict[str, Any]:
    text = (folder / "data.js").read_text(encoding="ascii")
    assert text.startswith("window.DATA = ") and text.endswith(";\n")
    return json.loads(text[len("window.DATA = ") : -2])  # type: ignore[no-any-return]


def row(**given: str) -> problems.Problem:
    return problems.Problem(**{name: given.get(name, "") for name in problems.COLUMNS})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    parts = {"train": Dots(5), "val": Dots(2, size=(90, 60))}
    parts["train"].records[1] = _crowd(parts["train"].records[1])
    found = [
        row(severity="error", kind="swap", picture="dot_0.png", split="val", instance="1", what=NASTY),
        row(severity="warning", kind="tiny", picture="11", what="of the picture with this id"),
        row(kind="lost", picture="elsewhere.png"),
    ]
    with Output(tmp_path / "page") as output:
        path, strange = page.write(output, parts, found, "dots", 120)
    assert path == tmp_path / "page" / "index.html" and [p.kind for p in strange] == ["lost"]
    return tmp_path / "page"


def _crowd(record: Record) -> Record:
    crowd = {"crowd": np.array([True, False]), "annotation_ids": np.array([7, 8]), "visibility": np.zeros((2, 4), int)}
    doubled = {name: np.repeat(getattr(record, name), 2, 0) for name in ("keypoints", "boxes", "areas")}
    return Record(record.image_id, NASTY, record.size, **doubled, **crowd)  # type: ignore[arg-type]


def test_the_page_knows_what_the_records_say(written: Path) -> None:
    document = told(written)
    sources = {"train": Dots(5), "val": Dots(2, size=(90, 60))}
    assert [p["split"] for p in document["pictures"]] == ["train"] * 5 + ["val"] * 2
    records = [r for s in sources.values() for r in s.records]
    for place, (shown, record) in enumerate(zip(document["pictures"], records, strict=True)):
        if place == 1:
            continue
        assert (shown["name"], shown["id"], tuple(shown["size"])) == (record.file, record.image_id, record.size)
        person = shown["people"][0]
        rows = np.array(person["points"]).reshape(4, 3)
        np.testing.assert_allclose(rows[:, :2], record.keypoints[0], atol=0.051)
        assert rows[:, 2].tolist() == record.visibility[0].tolist()
        np.testing.assert_allclose(person["box"], record.boxes[0], atol=0.051)
        np.testing.assert_allclose(person["area"], record.areas[0], atol=0.051)
        assert person["id"] == record.annotation_ids[0] and not person["crowd"]
    skeleton = document["skeleton"]
    assert skeleton["keypoints"] == list(sources["train"].skeleton.keypoints) and skeleton["colours"][0] == "#ff0000"
    assert skeleton["edges"] == [[0, 2], [1, 3]] and skeleton["flip"] == [1, 0, 3, 2]


def test_crowds_and_what_is_not_labelled(written: Path) -> None:
    people = told(written)["pictures"][1]["people"]
    assert [p["crowd"] for p in people] == [True, False] and [p["id"] for p in people] == [7, 8]
    assert people[0]["points"] == [0, 0, 0] * 4


def test_pictures_are_small_and_in_place(written: Path) -> None:
    for place, shown in enumerate(told(written)["pictures"]):
        image = cv2.imread(str(written / shown["file"]))
        assert max(image.shape) == (120 if place < 5 else 90)  # never enlarged
        scale = max(image.shape) / max(shown["size"])
        if place != 1:
            x, y, _ = np.array(shown["people"][0]["points"]).reshape(4, 3)[0] * scale
            assert image[int(y), int(x)].min() > 120 and image[2, 2].max() < 60


def test_problems_are_with_their_pictures(written: Path) -> None:
    kinds = {i: [q["kind"] for q in p.get("problems", [])] for i, p in enumerate(told(written)["pictures"])}
    assert kinds == {0: [], 1: ["tiny"], 2: [], 3: [], 4: [], 5: ["swap"], 6: []}


def test_names_cannot_end_the_script(written: Path) -> None:
    text = (written / "data.js").read_text()
    assert "<" not in text and text.count(";\n") == 1


def test_several_sources_and_pictures_of_one_name(tmp_path: Path) -> None:
    with Output(tmp_path / "page") as output:
        page.write(output, {"train": Joined([Dots(2), Dots(3)], Dots().skeleton)}, [], "two", 50)
    document = told(tmp_path / "page")
    assert len({p["file"] for p in document["pictures"]}) == 5
    assert [p["name"] for p in document["pictures"]] == [
        "dot_0.png",
        "dot_1.png",
        "dot_0.png",
        "dot_1.png",
        "dot_2.png",
    ]


# ---------------------------------------------------------------------- problems.csv


def test_a_table_of_problems(tmp_path: Path) -> None:
    file = tmp_path / "problems.csv"
    file.write_text(
        'severity,kind,picture,instance,keypoint,split,what,fix\nerror,swap,a.png,3,nose,val,"a, b","c"\n', "utf-8-sig"
    )
    assert problems.read(file) == [problems.Problem("error", "swap", "a.png", "3", "nose", "val", "a, b", "c")]
    file.write_text("picture,kind\na.png,swap\n\n")
    assert problems.read(file)[0].what == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "found nothing"),
        ("a,b\n1,2\n", "kind and picture lack, found a, b"),
        ("kind,place\n", "picture lack"),
        (b"kind,picture\n\xff\xfe,\x00\n", "no table of problems"),
    ],
)
def test_what_is_no_table_of_problems(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    file = tmp_path / "problems.csv"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said) as raised:
        problems.read(file)
    assert str(file) in str(raised.value)


def test_a_picture_is_looked_for_in_its_split_first() -> None:
    pictures = {("train", "a"): 0, ("val", "a"): 1, ("train", "b"): 2}
    rows = [
        row(kind="1", picture="a", split="val"),
        row(kind="2", picture="a"),
        row(kind="3", picture="b", split="val"),
    ]
    found, strange = problems.by_picture([*rows, row(kind="4", picture="c")], pictures)
    assert {place: [p.kind for p in listed] for place, listed in found.items()} == {1: ["1"], 0: ["2"], 2: ["3"]}
    assert [p.kind for p in strange] == ["4"]


# ---------------------------------------------------------------------- in a browser


def shown(driver: Any) -> list[str]:
    cells = driver.find_elements("css selector", ".cell .file")
    return [cell.get_attribute("textContent").strip("\u200e") for cell in cells]


@pytest.mark.browser
@pytest.mark.slow
def test_it_opens_from_a_file_filters_by_its_address_and_leafs(written: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    def opened(hash_: str) -> list[str]:
        driver.get("about:blank")
        driver.get((written / "index.html").as_uri() + hash_)
        return shown(driver)

    with chromium(tmp_path / "profile", 1400, 1000) as driver:
        assert len(opened("")) == 7 and NASTY in shown(driver)
        assert driver.title == "dots - armature data show"
        time.sleep(0.3)
        widths = driver.execute_script("return [...document.images].map((i) => i.naturalWidth)")
        assert widths == [120] * 5 + [60] * 2
        assert opened("#split=val") == ["dot_0.png", "dot_1.png"]
        assert opened("#problem=swap") == ["dot_0.png"] and opened("#problem=any&split=train") == [NASTY]
        assert len(opened("#keypoint=left_a")) == 6 and opened("#keypoint=-left_a") == [NASTY]
        assert len(opened("#keypoint=hidden:left_b")) == 6 and opened("#keypoint=hidden:left_a") == []
        assert opened("#people=crowd") == [NASTY] and opened("#name=dot_3") == ["dot_3.png"]
        assert opened("#keypoint=nobody") == [] and "No picture is like this" in driver.page_source
        sizes = [len(opened(f"#size={size}")) for size in ("small", "medium", "large")]
        areas = [r.areas[0] for r in (*Dots(5).records, *Dots(2, size=(90, 60)).records)]
        assert sizes == np.histogram(areas, [0, 32**2, 96**2, np.inf])[0].tolist()
        opened("#open=2&hide=left_b")
        dots = driver.find_elements("css selector", "#shown circle")
        assert [d.get_attribute("data-keypoint") for d in dots] == ["0", "1", "3"]
        box, record = driver.find_element("css selector", "#shown svg").rect, Dots(5).records[2]
        middle = dots[0].rect["x"] + dots[0].rect["width"] / 2, dots[0].rect["y"] + dots[0].rect["height"] / 2
        expected = record.keypoints[0, 0] / (record.size[1], record.size[0]) * (box["width"], box["height"])
        np.testing.assert_allclose(middle, expected + np.array([box["x"], box["y"]]), atol=1.5)
        driver.find_element("tag name", "body").send_keys(Keys.ARROW_RIGHT)
        assert driver.find_element("css selector", "#told h2").text == "dot_3.png"
        assert "open=3" in driver.current_url
        driver.find_element("tag name", "body").send_keys(Keys.ESCAPE)
        time.sleep(0.2)
        assert driver.current_url.endswith("#hide=left_b")
        assert complaints(driver) == []
