"""The page of a run: whole, self-contained, and safe whatever the files say."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armature.errors import UserError
from armature.reports import highlight, run_report
from armature.reports.embedding import embed
from armature.reports.scores import MISSING

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x.png onerror=alert(2)>"


class Page(HTMLParser):
    """Every tag with its attributes, and the text outside style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def picture(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "an_experiment" / "a-run"
    (folder / "pictures").mkdir(parents=True)
    metrics = {
        "val/AP": 0.512,
        "val/AP50": 0.78,
        "val/APm": -1,
        "val/APl": None,
        "val/PCK@0.1": 0.7,
        "val/PCK@0.1/nose": 0.61,
        "val/PCK@0.1/tail": float("nan"),
        "val/error/mean": 4.25,
    }
    whole = {
        "metrics": metrics,
        "protocol": {"max_detections": 20, "images": 200},
        "time": {"data": 1.0, "network": 9.0},
    }
    (folder / "metrics.json").write_text(json.dumps(whole))
    (folder / "history.csv").write_text("epoch,seconds,train/total,val/AP\n0,10,3.0,0.1\n1,10,2.0,0.4\n")
    (folder / "config.yaml").write_text(f"# made by a test\nlr: 1e-3\nname: {HOSTILE}\n")
    git = {
        "commit": "0123456789abcdef",
        "dirty": True,
        "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new " + HOSTILE + "\n",
    }
    (folder / "provenance.json").write_text(
        json.dumps({"command": ["armature", "train", HOSTILE], "git": git, "seed": 1})
    )
    (folder / "predictions.json").write_text(json.dumps([{"image_id": i % 3, "score": i / 10} for i in range(10)]))
    for name in ("worst_00.png", "best_00.jpg", "curves.png", f"{HOSTILE[:8]}.png".replace("/", "")):
        picture(folder / "pictures" / name)
    return folder


def page(run: Path) -> Page:
    return Page(run_report.write(run).read_text(encoding="utf-8"))


def test_the_page_shows_all_parts(run: Path) -> None:
    text = page(run).text
    parts = ["an_experiment", "a-run", "2 epochs", "commit 01234567", "0.512", "AP on val", "max detections 20"]
    parts += ["Training loss", "nose", "4.25 px", "90.0 %", "10 people found", "3 images", "Worst", "Best"]
    for part in [*parts, "config.yaml", "armature train"]:
        assert part in text, part


def test_the_page_needs_nothing_else(run: Path) -> None:
    parsed = page(run)
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in parsed.tags}
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    styles = (Path(run_report.__file__).parent / "run_report.css").read_text()
    assert "url(" not in styles
    assert "@import" not in styles
    assert "http" not in styles
    policy = next(a["content"] for t, a in parsed.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy


def test_hostile_text_stays_text(run: Path) -> None:
    parsed = page(run)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 1
    assert all(not name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert "alert(1)" in parsed.text, "shown, not executed"


def test_the_policy_allows_exactly_the_script_of_the_page(run: Path) -> None:
    html = run_report.write(run).read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    assert script is not None
    assert base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode() in html.replace("&#43;", "+")


def test_missing_ground_truth_is_said_and_never_minus_one(run: Path) -> None:
    parsed = page(run)
    assert "APm no ground truth" in parsed.text
    assert "APl no ground truth" in parsed.text
    assert not re.search(r"(?<![\w.-])-1(\.0+)?(?![\w.])", parsed.text.split("Provenance")[0])
    assert not re.search(r"\bnan\b", parsed.text, re.I)


@pytest.mark.parametrize("name", ["config.yaml", "provenance.json", "metrics.json", "history.csv", "predictions.json"])
def test_each_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    assert f"{name} is missing." in page(run).text


def test_an_empty_folder_has_a_page_that_says_so(tmp_path: Path) -> None:
    text = page(tmp_path).text
    assert "No scores" in text
    assert "No history" in text
    assert "Nothing was recorded" in text
    assert "No config" in text


@pytest.mark.parametrize("content", ["{", "[]", "null", '"x"', "\x00\xff"])
def test_broken_files_are_remarks(run: Path, content: str) -> None:
    for name in ("metrics.json", "provenance.json"):
        (run / name).write_text(content)
    text = page(run).text
    assert "metrics.json cannot be read" in text
    assert "provenance.json cannot be read" in text


def test_strange_values_do_not_break_the_page(run: Path) -> None:
    (run / "metrics.json").write_text(json.dumps({"metrics": [1], "protocol": "x", "time": {"data": "y"}}))
    (run / "provenance.json").write_text(json.dumps({"a": {"b": {"c": []}}, "d": None, "e": [1, {"f": 2}], "g": {}}))
    (run / "predictions.json").write_text(json.dumps([{"score": None}, 3, {}]))
    (run / "pictures" / "worst_broken.png").write_bytes(b"no picture")
    (run / "history.csv").write_text("epoch,val/AP\n,\n1\n2,0.5,9,9\n")
    assert "1 more in the folder" in page(run).text


def test_a_folder_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        run_report.write(tmp_path / "nowhere")


def test_no_half_written_page_is_left(run: Path) -> None:
    run_report.write(run)
    assert [p.name for p in run.glob("report*")] == ["report.html"]


def test_runs_without_ap_lead_with_what_was_measured() -> None:
    lead = run_report.headline({"val/AP": None, "val/AP50": None, "val/error/mean": 3.5})
    assert lead[0] == ("mean error", "3.50 px", True)
    assert ("AP", MISSING, False) in lead
    assert run_report.headline({}) == []


@pytest.mark.slow
def test_pictures_shrink_until_they_fit(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        picture(path, (900, 900), seed=i)
    embedded = embed(paths, budget=600_000)
    assert 0 < len(embedded) <= 4
    assert sum(len(address) for _, address in embedded) < 600_000 * 1.4
    assert all(address.startswith("data:image/") for _, address in embedded)


def test_yaml_is_marked_and_escaped() -> None:
    html = str(highlight.yaml("a: 1\nb: x # why\n- c: <i>\n# all"))
    assert '<span class="k">a</span>:<span class="n"> 1</span>' in html
    assert '<span class="c"> # why</span>' in html
    assert "&lt;i&gt;" in html
    assert '<span class="c"># all</span>' in html


def test_diffs_are_marked_and_escaped() -> None:
    html = str(highlight.diff("+++ b\n+new <b>\n-old\n same"))
    assert '<span class="head">+++ b</span>' in html
    assert '<span class="add">+new &lt;b&gt;</span>' in html
    assert "\n same" in html
