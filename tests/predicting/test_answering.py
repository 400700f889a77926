"""A whole prediction: what is written, that it can go on, and that it stays small."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import lamps
import numpy as np
import pytest

from armature.predicting import answering, drawing, sources
from armature.predicting.answering import Done, Job
from armature.predicting.journal import Journal, Printed
from armature.tracks.tracker import Tracker


def answer(folder: Path, source: Any, *, asked: Any = None, resume: bool = True, **options: Any) -> Done:
    predictor = options.pop("predictor", None) or lamps.predictor()
    return answering.run(Job(predictor, source, folder, Journal(folder, asked or {}, resume), **options))


def pictures(folder: Path) -> Path:
    """Three pictures of one, two and no lamps, and one that is broken."""
    folder.mkdir()
    for name, places in (("a.png", [(40, 30)]), ("b.png", [(40, 30), (90, 50)]), ("d.png", [])):
        cv2.imwrite(str(folder / name), lamps.picture(places)[..., ::-1])
    (folder / "c.png").write_bytes(b"broken")
    return folder


def test_pictures_with_a_broken_one_among_them(tmp_path: Path) -> None:
    done = answer(tmp_path / "out", sources.find(pictures(tmp_path / "in")))
    assert (done.place.read, done.place.people, done.place.unread) == (3, 3, 1)
    assert [(u.name, u.index) for u in done.unread] == [("c.png", 2)]
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [row["image_id"] for row in results] == [1, 2, 2]
    # Continuous 40, 30 is pixel index 39.5, 29.5.
    assert results[0]["keypoints"] == pytest.approx([39.5, 29.5, 0.8, 39.5, 45.5, 0.8], abs=0.15)
    images = json.loads((tmp_path / "out" / "images.json").read_text())
    assert [image["file_name"] for image in images] == ["a.png", "b.png", "d.png"]
    assert (images[0]["id"], images[0]["height"], images[0]["width"]) == (1, *lamps.CANVAS)
    left = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert left == ["a.jpg", "b.jpg", "d.jpg", "images.json", "predictions.json"]
    drawn = cv2.imread(str(tmp_path / "out" / "a.jpg"))
    assert drawn.shape[:2] == lamps.CANVAS


def test_image_ids_of_an_annotation_file(tmp_path: Path) -> None:
    ids = {"a.png": 70, "b.png": 5, "d.png": 9}
    answer(tmp_path / "out", sources.find(pictures(tmp_path / "in")), ids=ids, category=3, style=None)
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in results] == [(70, 3), (5, 3), (5, 3)]


def test_yolo_and_deeplabcut_files_say_the_same(tmp_path: Path) -> None:
    answer(tmp_path / "out", sources.find(pictures(tmp_path / "in")), written=["yolo", "deeplabcut"], style=None)
    labels = tmp_path / "out" / "labels"
    assert sorted(p.name for p in labels.iterdir()) == ["a.txt", "b.txt", "d.txt"]
    assert (labels / "d.txt").read_text() == ""
    row = [float(word) for word in (labels / "a.txt").read_text().split()]
    height, width = lamps.CANVAS
    expected = [0, 40 / width, 38 / height, 10 / width, 26 / height]
    expected += [40 / width, 30 / height, 0.8, 40 / width, 46 / height, 0.8, 0.9]
    assert row == pytest.approx(expected, abs=2e-3)
    rows = list(csv.reader((tmp_path / "out" / "deeplabcut.csv").open()))
    assert [r[0] for r in rows] == ["scorer", "individuals", "bodyparts", "coords", "a.png", "b.png", "d.png"]
    assert rows[2][1:4] == ["red"] * 3 and rows[3][1:4] == ["x", "y", "likelihood"]
    assert [float(v) for v in rows[4][1:7]] == pytest.approx([39.5, 29.5, 0.8, 39.5, 45.5, 0.8], abs=0.15)
    assert rows[4][7:] == [""] * 6 and all(rows[5][1:]) and rows[6][1:] == [""] * 12


def test_one_animal_has_deeplabcuts_three_header_rows(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    source = lamps.Endless(5)
    answer(tmp_path / "out", source, written=["deeplabcut"], style=None)
    table = pandas.read_csv(tmp_path / "out" / "deeplabcut.csv", header=[0, 1, 2], index_col=0)
    x = table["armature"]["red"]["x"].to_numpy()
    assert x == pytest.approx([lamps.walk(i)[0] - 0.5 for i in range(5)], abs=0.25)


def test_lines_for_pipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(lamps.predictor(), sources.find(pictures(tmp_path / "in")), tmp_path / "out", Printed(), style=None)
    answering.run(job)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file_name"] for line in lines] == ["a.png", "b.png", "c.png", "d.png"]
    assert "error" in lines[2] and len(lines[1]["people"]) == 2
    assert not (tmp_path / "out").exists()


class Interrupting(lamps.Endless):
    """A film during which somebody presses Ctrl-C."""

    def read(self, start: int = 0, after: float | None = None) -> Any:
        for item in super().read(start, after):
            if item.index == self.stop_at:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.2)
            yield item


@pytest.mark.parametrize("drawn", [False, True])
def test_an_interrupted_film_goes_on_as_if_nothing_had_been(tmp_path: Path, drawn: bool) -> None:
    if drawn:
        pytest.importorskip("av")

    def ask(name: str, source: Any) -> Done:
        options: dict[str, Any] = {"style": drawing.Style() if drawn else None, "written": ["jsonl", "coco"]}
        return answer(tmp_path / name, source, tracker=Tracker(lamps.SKELETON), **options)

    ask("whole", lamps.Endless(60))
    with pytest.raises(answering.Stopped):
        ask("cut", Interrupting(60, stop_at=35))
    state = json.loads((tmp_path / "cut" / "unfinished.json").read_text())
    assert 0 < state["place"]["index"] < 60
    done = ask("cut", lamps.Endless(60))
    assert 0 < done.answered < 60 and done.place.read == 60
    for file in ("predictions.jsonl", "predictions.json", "images.json"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == sorted(
        p.name for p in (tmp_path / "whole").iterdir()
    )
    if drawn:
        films = [list(sources.find(tmp_path / name / "endless.mp4").read()) for name in ("whole", "cut")]
        assert [f.seconds for f in films[1]] == [f.seconds for f in films[0]] and len(films[0]) == 60  # type: ignore[union-attr]
        for one, other in zip(*films, strict=True):
            assert np.abs(one.picture.astype(int) - other.picture).mean() < 3  # type: ignore[union-attr]


def test_another_question_begins_again(tmp_path: Path) -> None:
    with pytest.raises(answering.Stopped):
        answer(tmp_path / "out", Interrupting(60, stop_at=35), asked={"min_score": 0.3}, style=None)
    done = answer(tmp_path / "out", lamps.Endless(60), asked={"min_score": 0.5}, style=None)
    assert done.answered == 60
    with pytest.raises(answering.Stopped):
        answer(tmp_path / "out", Interrupting(60, stop_at=35), style=None)
    assert answer(tmp_path / "out", lamps.Endless(60), resume=False, style=None).answered == 60


def test_killed_between_two_commits_nothing_is_twice(tmp_path: Path) -> None:
    """Lines behind the last place that counts are what a process left that was killed."""
    answer(tmp_path / "whole", lamps.Endless(30), style=None, written=["jsonl"])
    journal = Journal(tmp_path / "cut", {})
    lines = (tmp_path / "whole" / "predictions.jsonl").read_text().splitlines(keepends=True)
    journal._file.write("".join(lines[:10]))
    journal.place.index, journal.place.after, journal.place.read, journal.place.people = 10, 9 / 25, 10, 10
    journal.commit()
    journal._file.write("".join(lines[10:17]) + '{"image_id": 18, "fi')
    journal.close()
    assert answer(tmp_path / "cut", lamps.Endless(30), style=None, written=["jsonl"]).answered == 20
    assert (tmp_path / "cut" / "predictions.jsonl").read_text() == "".join(lines)


def test_an_annotated_film_keeps_its_times(tmp_path: Path) -> None:
    pytest.importorskip("av")
    film = lamps.film(tmp_path / "walk.mp4", 30, skip=[7, 8])
    done = answer(tmp_path / "out", sources.find(film), tracker=Tracker(lamps.SKELETON), commit_every=0.0)
    written = sources.find(tmp_path / "out" / "walk.mp4")
    assert done.files[0] == tmp_path / "out" / "walk.mp4"
    before, after = list(sources.find(film).read()), list(written.read())
    assert [f.seconds for f in after] == pytest.approx([f.seconds for f in before], abs=1e-3)  # type: ignore[union-attr]
    changed = np.abs(after[3].picture.astype(int) - before[3].picture).max(-1) > 60  # type: ignore[union-attr]
    x, y = lamps.walk(3)
    assert changed[int(y) - 12 : int(y) + 30, int(x) - 14 : int(x) + 14].any() and not changed[:, 80:].any()
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert {row["track_id"] for row in results} == {1} and len(results) == 28


@pytest.mark.slow
def test_a_long_film_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Two thousand frames of 0.9 MB: 1.8 GB if they were kept."""

    def peak(count: int) -> int:
        tracemalloc.start()
        answer(tmp_path / str(count), lamps.Endless(count, (480, 640)), style=None)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    short, long = peak(100), peak(2000)
    assert long < short + (4 << 20), f"{short >> 20} MiB for 100 frames, {long >> 20} MiB for 2,000"
    assert long < 64 << 20


def test_a_limit_and_a_thread_that_is_not_the_main_one(tmp_path: Path) -> None:
    found: list[Done] = []
    ask: Callable[[], None] = lambda: found.append(answer(tmp_path / "out", lamps.Endless(99), style=None, limit=7))  # noqa: E731
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found[0].place.read == 7


def test_frames_are_asked_in_batches(tmp_path: Path) -> None:
    predictor = lamps.predictor(batch_size=8)
    answer(tmp_path / "out", lamps.Endless(20), predictor=predictor, style=None)
    batches: Sequence[int] = predictor.module.batches  # type: ignore[assignment]
    assert list(batches) == [8, 8, 4]
