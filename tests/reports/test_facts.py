"""Provenance in words."""

from __future__ import annotations

from armature.reports import facts
from armature.reports.scores import MISSING


def test_loose_facts_lead_and_nested_ones_are_groups() -> None:
    groups = facts.grouped({"code": {"commit": "ab", "dirty": False}, "seed": 1, "wandb_id": None, "empty": {}})
    assert [g["name"] for g in groups] == ["run", "code"]
    assert groups[0]["pairs"] == [("seed", "1"), ("wandb id", MISSING)]
    assert groups[1]["pairs"] == [("commit", "ab"), ("dirty", "no")]


def test_lists_of_objects_are_opened() -> None:
    assert facts.flatten({"gpus": [{"name": "a"}]}) == {"gpus.name": "a"}
    assert facts.flatten({"gpus": [{"name": "a"}, {"name": "b"}]}) == {"gpus.1.name": "a", "gpus.2.name": "b"}


def test_memory_is_said_in_gibibytes_and_words_are_quoted() -> None:
    assert facts.pairs({"memory": 8 * 2**30, "command": ["a b", "c"], "share": 0.25}) == [
        ("memory", "8.0 GiB"),
        ("command", "'a b' c"),
        ("share", "0.25"),
    ]


def test_long_texts_stand_apart_and_are_cut() -> None:
    (group,) = facts.grouped({"code": {"diff": "line\n" * facts.LONGEST, "untracked": [str(i) for i in range(9)]}})
    (diff, untracked) = group["texts"]
    assert diff[0] == "diff"
    assert len(diff[1]) == facts.LONGEST
    assert diff[2] is True
    assert untracked == ("untracked", "\n".join("012345678"), False)
    assert group["pairs"] == []
