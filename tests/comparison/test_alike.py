from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import annotations

from armature.comparison.alike import check_rules, same_images
from armature.comparison.contenders import gather
from armature.errors import UserError


def test_rules_that_differ_are_refused_by_name_and_allowed_by_name(make_run: Callable[..., Path]) -> None:
    runs = gather([str(make_run("a/1")), str(make_run("b/1", card={"flip_test": False, "score_rule": "other"}))])
    with pytest.raises(UserError, match=r"flip_test: True \(a/1\); False \(b/1\)") as refused:
        check_rules(runs)
    assert "score_rule" not in str(refused.value) and "allow=[flip_test]" in str(refused.value)
    (remark,) = check_rules(runs, ["flip_test"])
    assert "flip_test" in remark
    with pytest.raises(UserError, match="no such rule"):
        check_rules(runs, ["colour"])


def test_given_boxes_are_not_compared_with_found_ones(make_run: Callable[..., Path]) -> None:
    given = {"box_source": "results file boxes.json"}
    runs = gather([str(make_run("a/1")), str(make_run("b/1", card=given)), str(make_run("c/1", card=given))])
    with pytest.raises(UserError, match=r"boxes: its own .a/1.; results file boxes.json .b/1, c/1."):
        check_rules(runs)
    own = {"box_source": "bounds of the joints found"}
    assert check_rules(gather([str(make_run("d/1")), str(make_run("e/1", card=own))])) == []


def test_unlike_images_are_refused_or_cut_to_the_common_ones(make_run: Callable[..., Path]) -> None:
    fewer = annotations()
    fewer["images"] = fewer["images"][:30]
    fewer["annotations"] = [a for a in fewer["annotations"] if a["image_id"] <= 30]
    runs = gather([str(make_run("a/1")), str(make_run("b/1", truth=fewer))])
    with pytest.raises(UserError, match=r"a/1: 40, b/1: 30; 30 in all"):
        same_images(runs)
    (first, second), (remark,) = same_images(runs, "common")
    assert len(first.truth.image_ids) == len(second.truth.image_ids) == 30
    assert len(first.predictions) == 60 and "30 images" in remark


def test_other_people_on_the_same_images_are_refused(make_run: Callable[..., Path]) -> None:
    moved = copy.deepcopy(annotations())
    moved["annotations"][0]["keypoints"][0] += 1.0
    runs = gather([str(make_run("a/1")), str(make_run("b/1", truth=moved))])
    with pytest.raises(UserError, match="'keypoints' differs"):
        same_images(runs)
