"""The decoder against straightforward loops, on clean, noisy and meaningless maps."""

from __future__ import annotations

import pytest
import torch

from armature.bench import paf_decoding
from armature.bench.paf_decoding import LIMBS, SIGMA, decode, loop, make_maps, same
from armature.ops.part_assembly import Decoder


@pytest.mark.parametrize(
    "decoder",
    [
        Decoder(complete_only=2),
        Decoder(min_parts=2, min_score=0.0),
        Decoder(peak=0.05, field=0.05, fraction=0.95, samples=(5, 25), coincident=1 / 150, complete_only=2),
        Decoder(fraction=0.6, coincident=0.05, complete_only=19, min_parts=1),
    ],
)
@pytest.mark.parametrize("people", [1, 6])
def test_people_equal_those_of_the_loop(decoder: Decoder, people: int) -> None:
    heat, fields = make_maps(people, (24, 30), batch=3, seed=people)
    peaks, crowd = decode(decoder, heat, fields)
    for image in range(3):
        looped = loop(decoder, heat[image], fields[image])
        assert same(peaks, crowd, image, looped), f"{len(looped)} people by the loop"
    if decoder.complete_only < 19:
        assert len(crowd.image) >= 3 * people // 2


@pytest.mark.parametrize("seed", range(4))
def test_people_equal_those_of_the_loop_where_maps_mean_nothing(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    heat = torch.rand(2, 18, 9, 11, generator=generator) ** 4
    fields = torch.randn(2, 19, 2, 9, 11, generator=generator) * 0.3 + 0.2
    decoder = Decoder(fraction=0.6, min_parts=2, complete_only=2)
    peaks, crowd = decode(decoder, heat, fields)
    assert len(crowd.image)
    for image in range(2):
        assert same(peaks, crowd, image, loop(decoder, heat[image], fields[image]))


def test_the_comparison_can_fail() -> None:
    heat, fields = make_maps(4, (24, 30), seed=2)
    peaks, crowd = decode(Decoder(), heat, fields)
    looped = loop(Decoder(), heat[0], fields[0])
    assert same(peaks, crowd, 0, looped) and looped
    assert not same(peaks, crowd, 0, looped[1:])
    moved = [{**p, "parts": {k: (x + 0.01, y) for k, (x, y) in p["parts"].items()}} for p in looped]
    assert not same(peaks, crowd, 0, moved)


def test_only_the_best_peaks_of_a_part_are_kept() -> None:
    heat = torch.zeros(1, 18, 20, 20)
    heat[0, 3, 2, ::3] = torch.linspace(0.2, 0.8, 7)
    peaks, _ = decode(Decoder(max_peaks=3), heat, torch.zeros(1, 19, 2, 20, 20))
    assert len(peaks.scores) == 3 and peaks.scores.min() > 0.59 and (peaks.part == 3).all()


def test_equal_neighbours_are_one_peak() -> None:
    heat = torch.zeros(1, 18, 6, 6)
    heat[0, 0, 2:4, 2:4] = 0.7
    peaks, _ = decode(Decoder(), heat, torch.zeros(1, 19, 2, 6, 6))
    assert len(peaks.scores) == 1
    assert peaks.xy[:, 0].tolist() == pytest.approx([3.0, 3.0], abs=0.2) and SIGMA < 1


def test_limbs_that_only_complete_begin_nobody() -> None:
    heat, fields = make_maps(3, (24, 30), noise=0.0, seed=1)
    assert len(decode(Decoder(), heat, fields)[1].image)
    assert not len(decode(Decoder(complete_only=len(LIMBS)), heat, fields)[1].image)


def test_both_times_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert paf_decoding.main(["--people", "3", "--height", "16", "--width", "20", "--repeat", "2"]) == 0
    shown = capsys.readouterr().out
    assert "loop" in shown and "armature" in shown and "the same" in shown


def test_other_people_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paf_decoding, "same", lambda *_: False)
    assert paf_decoding.main(["--people", "2", "--height", "16", "--width", "20", "--repeat", "1"]) == 1
