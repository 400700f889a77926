from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_folders import SKELETON, annotations, results

from armature.comparison.contenders import gather, restrict
from armature.errors import UserError
from armature.skeletons import make

MOUSE = make(**{k: v for k, v in SKELETON.items() if k != "_target_"})


def test_a_run_is_read_from_its_files(make_run: Callable[..., Path]) -> None:
    (run,) = gather([str(make_run("mouse/1", seed=3))])
    assert run.name == "mouse/1" and not run.named
    assert run.config["seed"] == 3 and run.skeleton.keypoints == MOUSE.keypoints
    assert len(run.truth) == len(run.predictions) == 80
    assert run.history["val/AP"] == [0.1, 0.2, pytest.approx(0.3)]
    assert run.card["flip_test"] is True


def test_results_of_another_program_are_judged_against_the_first_runs_annotations(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rival = tmp_path / "rival.json"
    rival.write_text(json.dumps(results(annotations(), 1.0, 9)))
    run, other = gather([str(make_run("mouse/1")), f"theirs:{rival}"])
    assert (other.name, other.named, other.card) == ("theirs", True, {})
    assert other.truth is run.truth and len(other.predictions) == 80


def test_results_alone_need_annotations(tmp_path: Path) -> None:
    rival, truth = tmp_path / "rival.json", tmp_path / "truth.json"
    rival.write_text(json.dumps(results(annotations(), 1.0, 9)))
    truth.write_text(json.dumps(annotations()))
    with pytest.raises(UserError, match="annotations=FILE"):
        gather([str(rival)], skeleton=MOUSE)
    (found,) = gather([str(rival)], str(truth), MOUSE)
    assert found.name == "rival" and len(found.truth) == 80


@pytest.mark.parametrize("missing", ["config.yaml", "predictions.json", "metrics.json"])
def test_a_run_that_has_not_ended_is_named(make_run: Callable[..., Path], missing: str) -> None:
    run = make_run("mouse/1")
    (run / missing).unlink()
    with pytest.raises(UserError, match=f"has no {missing}"):
        gather([str(run)])


def test_a_path_that_is_nothing_and_a_name_that_comes_twice(make_run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="'nowhere' is neither a run folder nor"):
        gather(["nowhere"])
    run = make_run("mouse/1")
    with pytest.raises(UserError, match=r"come twice .a."):
        gather([f"a:{run}", f"a:{run}"])


def test_some_of_the_images(make_run: Callable[..., Path]) -> None:
    (run,) = gather([str(make_run("mouse/1"))])
    part = restrict(run, np.array([7, 3]))
    assert part.truth.image_ids.tolist() == [3, 7]
    assert sorted(part.predictions.image_ids.tolist()) == [3, 3, 7, 7]
    of_three = run.truth.keypoints[run.truth.image_ids[run.truth.image] == 3]
    assert np.array_equal(part.truth.keypoints[part.truth.image == 0], of_three)
