"""Model, codec and losses that do not fit together are told so before training, with what would fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from armature import config_folders
from armature.architectures.protocol import SeamError, misfit
from armature.assembly import assemble, known_losses
from armature.configuration import compose
from armature.structures import Target


class Fine(nn.Module):
    def forward(self, output: Tensor, target: Target) -> Tensor:
        return (output - target.value).mean()


class Infinite(Fine):
    def forward(self, output: Tensor, target: Target) -> Tensor:
        return super().forward(output, target) / 0


class Falls(Fine):
    def forward(self, output: Tensor, target: Target) -> Tensor:
        raise ValueError("no area")


class Particular(Fine):
    """Reads a target of another shape than the output's, and says so."""

    def problem(self, output: Tensor, target: Target) -> str:
        return "" if target.value.shape[-1] == 1 else "it wants one number"


def pair(value: tuple[int, ...], output: tuple[int, ...] = (2, 3, 4)) -> tuple[Tensor, Target]:
    return torch.ones(output), Target(torch.zeros(value), torch.ones(value))


def test_a_loss_fits_equal_shapes_but_for_leading_stages() -> None:
    assert misfit(Fine(), *pair((2, 3, 4))) == "" and misfit(Fine(), *pair((3, 4))) == ""
    assert "must agree" in misfit(Fine(), *pair((2, 3, 1)))
    assert "must agree" in misfit(Fine(), *pair((5, 2, 3, 4)))


def test_what_a_loss_says_of_itself_stands() -> None:
    assert misfit(Particular(), *pair((2, 3, 1))) == ""
    assert misfit(Particular(), *pair((2, 3, 4))) == "it wants one number"


def test_a_loss_that_fails_or_answers_no_finite_number_does_not_fit() -> None:
    assert misfit(Falls(), *pair((3, 4))) == "ValueError: no area"
    assert "one finite number" in misfit(Infinite(), *pair((3, 4)))


@pytest.mark.parametrize(
    ("override", "said", "fits", "does_not"),
    [
        ("term@loss.size=oks", "reads points", "smooth_l1", "focal"),
        ("term@loss.size=focal", r"targets in \[0, 1\]", "wing", "oks"),
        ("term@loss.joints=kl_bins", "reads logits|sum to one", "oks", "focal"),
        ("term@loss.center=rle", "reads points", "focal", "oks"),
    ],
)
def test_an_impossible_pairing_names_the_possible_ones(override: str, said: str, fits: str, does_not: str) -> None:
    with pytest.raises(SeamError, match=said) as caught:
        assemble(compose("train", [override]))
    message = str(caught.value)
    name = override.split(".")[1].split("=")[0]
    assert f"'{name}'" in message
    possible = message.split("losses that fit")[1]
    assert fits in possible and does_not not in possible


@pytest.mark.parametrize("term", ["l1", "smooth_l1", "oks", "wing", "rle"])
def test_every_loss_of_points_learns_the_joints(term: str) -> None:
    assemble(compose("train", [f"term@loss.joints={term}"]))


def test_the_known_losses_are_those_of_the_folder() -> None:
    losses = known_losses(compose("train").skeleton)
    assert set(losses) == set(config_folders.groups()["term"])
