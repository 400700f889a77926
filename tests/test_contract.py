"""What every architecture config must do, read off conf/architecture: a new file is tested by being there.

Small configs (``*_tiny``) go through everything; published sizes through what a CPU does in seconds.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
import torch

from armature import config_folders
from armature.architectures.protocol import check, synthetic_batch
from armature.building import build
from armature.configuration import compose
from armature.data.dataset import KeypointDataset, collate
from armature.data.synthetic import Synthetic
from armature.evaluation.judge import Judge
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import load
from armature.structures import Batch, Poses, Skeleton

ALL = config_folders.groups()["architecture"]
SMALL = [name for name in ALL if name.endswith("_tiny")]
PUBLISHED = [name for name in ALL if name not in SMALL]
PERSON = load(config_folders.project() / "skeleton" / "coco_person.yaml")
SIZE = (128, 128)


def points(count: int) -> list[str]:
    """Overrides for a skeleton of ``count`` points: left and right pairs and, where odd, one in the middle."""
    names = [f"{side}_{i}" for i in range(count // 2) for side in ("left", "right")] + ["middle"] * (count % 2)
    edges = ",".join(f"[{a},{b}]" for a, b in itertools.pairwise(names))
    return ["skeleton=openfield_mouse", f"skeleton.keypoints=[{','.join(names)}]", f"skeleton.edges=[{edges}]"]


@lru_cache(maxsize=2)
def _built(name: str, count: int | None) -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    config = compose("train", [f"architecture={name}", *(points(count) if count else [])])
    return build(config.model), build(config.codec), build(config.loss)


def parts(name: str, count: int | None = None) -> tuple[Any, Any, Any]:
    """Model, codec and loss of a config, fresh enough: the model in evaluation mode and without gradients."""
    model, codec, loss = _built(name, count)
    model.eval()
    model.zero_grad(set_to_none=True)
    return model, codec, loss


def nobody(batch: Batch) -> Batch:
    empty = copy.deepcopy(batch)
    empty.instances.valid[:] = False
    empty.instances.visibility[:] = 0
    return empty


def mirrored(batch: Batch, skeleton: Skeleton) -> Batch:
    """The batch as a mirror shows it."""
    other, width = copy.deepcopy(batch), batch.images.shape[-1]
    people = other.instances
    other.images, other.ignore = batch.images.flip(-1), batch.ignore.flip(-1)
    people.keypoints = people.keypoints[:, :, list(skeleton.flip)]
    people.keypoints[..., 0] = width - people.keypoints[..., 0]
    people.visibility = people.visibility[:, :, list(skeleton.flip)]
    x1, y1, x2, y2 = people.boxes.unbind(-1)
    people.boxes = torch.stack([width - x2, y1, width - x1, y2], -1)
    return other


def drawn(count: int = 6, people: tuple[int, int] = (1, 1), size: tuple[int, int] = SIZE, seed: int = 5) -> Batch:
    source = Synthetic(PERSON, length=count, size=size, seed=seed, vary=False, people=people, scale=(0.7, 1.0))
    dataset = KeypointDataset(source, size, None, seed)
    batch = collate([dataset[i] for i in range(count)])
    batch.images = batch.images.float() / 255
    return batch


@torch.no_grad()
def oracle(model: Any, codec: Any, batch: Batch) -> list[Poses]:
    """What the codec makes of a perfect network."""
    outputs = {k: v.float() if v.is_floating_point() else v for k, v in model(batch.images, batch.instances).items()}
    ideal = codec.ideal(outputs, codec.encode(outputs, batch))
    shape = batch.images.shape
    return codec.decode(ideal, (shape[0], shape[2], shape[3]))


def best(found: Poses) -> Poses:
    """The best person alone."""
    i = int(found.scores.argmax())
    return Poses(
        found.keypoints[i : i + 1], found.keypoint_scores[i : i + 1], found.boxes[i : i + 1], found.scores[i : i + 1]
    )


def labelled(batch: Batch, image: int) -> torch.Tensor:
    return batch.instances.visibility[image, 0] > 0


@pytest.mark.parametrize("name", SMALL)
def test_a_step_with_people_reaches_every_parameter(name: str) -> None:
    model, codec, loss = parts(name)
    batch = drawn(2, (1, 3))
    outputs = model.train()(batch.images, batch.instances)
    with torch.no_grad():
        targets = codec.encode({k: v.detach().float() for k, v in outputs.items()}, batch)
    losses = loss(outputs, targets)
    losses["total"].backward()
    assert all(torch.isfinite(v) for v in losses.values()), losses
    silent = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent, f"no gradient: {silent}"
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_step_and_a_prediction_in_mixed_precision(name: str) -> None:
    """As ``precision: auto`` runs them on hardware with bf16; torch emulates it elsewhere."""
    model, codec, loss = parts(name)
    batch = drawn(2, (1, 3))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model.train()(batch.images, batch.instances)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            targets = codec.encode({k: v.detach().float() for k, v in outputs.items()}, batch)
        losses = loss(outputs, targets)
    losses["total"].backward()
    assert all(torch.isfinite(v) for v in losses.values()), losses
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            upright, flipped = (model.eval()(images) for images in (batch.images, batch.images.flip(-1)))
        found = codec.decode(codec.unflip(upright, flipped), (2, *SIZE))
    assert len(found) == 2 and all(torch.isfinite(people.keypoints).all() for people in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("training", [True, False])
def test_nobody_in_the_batch_is_a_finite_loss_that_can_be_learned_from(name: str, training: bool) -> None:
    model, codec, loss = parts(name)
    batch = nobody(drawn(2))
    outputs = model.train(training)(batch.images, batch.instances)
    with torch.no_grad():
        targets = codec.encode({k: v.detach().float() for k, v in outputs.items()}, batch)
    total = loss(outputs, targets)["total"]
    assert torch.isfinite(total)
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", SMALL)
def test_what_it_returns_does_not_depend_on_training_or_on_people(name: str) -> None:
    model, _, loss = parts(name)
    batch = drawn(2)
    with torch.no_grad():
        kinds = [
            {k: v.dtype for k, v in model.train(training)(batch.images, people).items()}
            for training in (True, False)
            for people in (batch.instances, None)
        ]
    assert all(set(kind) == set(kinds[0]) for kind in kinds)
    assert set(loss.reads().values()) <= set(kinds[0])


@pytest.mark.parametrize("name", SMALL)
def test_a_perfect_network_gives_one_person_back(name: str) -> None:
    """Within the codec's ``tolerance`` (canvas px), which its documentation explains."""
    model, codec, _ = parts(name)
    batch = drawn()
    for image, found in enumerate(oracle(model, codec, batch)):
        on = labelled(batch, image)
        away = (best(found).keypoints[0] - batch.instances.keypoints[image, 0]).norm(dim=-1)[on]
        assert float(away.quantile(0.9)) <= codec.tolerance, f"image {image}: {away}"


@pytest.mark.parametrize("name", SMALL)
def test_the_oracle_is_judged(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    model, codec, _ = parts(name)
    size, count = (192, 192), 12
    source = Synthetic(PERSON, length=count, size=size, seed=3, vary=False, people=(1, 4), scale=(0.4, 1.0))
    dataset = KeypointDataset(source, size, None, 0)
    batch = collate([dataset[i] for i in range(count)])
    batch.images = batch.images.float() / 255
    people = oracle(model, codec, batch)
    truth = Truth.from_records(source.records, PERSON)
    ids = [int(i) for i in batch.image_ids]
    verdict = Judge(PERSON)(truth, Predictions.from_poses(people, ids))
    with capsys.disabled():
        print(f"\n  oracle AP of {name}: {verdict.numbers['AP']:.3f}", end=" ")
    assert verdict.numbers["AP"] > 0.6


@pytest.mark.parametrize("name", SMALL)
def test_a_mirrored_batch_is_encoded_as_the_mirror_of_the_batch(name: str) -> None:
    model, codec, _ = parts(name)
    batch = drawn()
    upright, flipped = oracle(model, codec, batch), oracle(model, codec, mirrored(batch, PERSON))
    for image, (a, b) in enumerate(zip(upright, flipped, strict=True)):
        on = labelled(batch, image)
        back = best(b).keypoints[0][list(PERSON.flip)].clone()
        back[:, 0] = SIZE[1] - back[:, 0]
        away = (back - best(a).keypoints[0]).norm(dim=-1)[on]
        assert float(away.quantile(0.9)) <= 2 * codec.tolerance


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_order_of_a_batch_changes_no_prediction(name: str) -> None:
    model, codec, _ = parts(name)
    images = drawn(3, (1, 3)).images
    with torch.no_grad():
        first = codec.decode(model(images), (3, *SIZE))
        second = codec.decode(model(images.flip(0)), (3, *SIZE))[::-1]
    for a, b in zip(first, second, strict=True):
        order_a, order_b = a.scores.argsort(descending=True)[:5], b.scores.argsort(descending=True)[:5]
        torch.testing.assert_close(a.scores[order_a], b.scores[order_b], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(a.boxes[order_a][:1], b.boxes[order_b][:1], atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("count", [1, 4, *(pytest.param(n, marks=pytest.mark.slow) for n in (68, 133))])
@pytest.mark.parametrize("name", SMALL)
def test_any_number_of_keypoints(name: str, count: int) -> None:
    model, codec, loss = parts(name, count)
    check(model, codec, loss, count, SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(97, 131), (160, 96)])
@pytest.mark.parametrize("name", SMALL)
def test_any_canvas(name: str, size: tuple[int, int]) -> None:
    model, codec, loss = parts(name)
    check(model, codec, loss, PERSON.count, size)
    batch = drawn(2, size=size)
    for image, found in enumerate(oracle(model, codec, batch)):
        away = (best(found).keypoints[0] - batch.instances.keypoints[image, 0]).norm(dim=-1)[labelled(batch, image)]
        assert float(away.median()) <= codec.tolerance, away


@pytest.mark.slow
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", SMALL)
def test_half_precision_outputs_are_decoded(name: str, kind: torch.dtype) -> None:
    model, codec, _ = parts(name)
    images = drawn(2).images
    with torch.no_grad():
        outputs = {k: v.to(kind) if v.is_floating_point() else v for k, v in model(images).items()}
        for found in codec.decode(outputs, (2, *SIZE)):
            assert torch.isfinite(found.keypoints).all() and torch.isfinite(found.scores).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_weights_survive_saving(name: str) -> None:
    model, _, _ = parts(name)
    again = copy.deepcopy(model)
    with torch.no_grad():
        for p in again.parameters():
            p.add_(1)
    again.load_state_dict(model.state_dict(), strict=True)
    images = drawn(1).images
    with torch.no_grad():
        for a, b in zip(_tensors(model(images)), _tensors(again(images)), strict=True):
            torch.testing.assert_close(a, b)


def _tensors(outputs: dict[str, torch.Tensor]) -> Iterator[torch.Tensor]:
    yield from (outputs[k] for k in sorted(outputs))


@pytest.mark.long
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_size_learns_from_people_and_from_nobody(name: str) -> None:
    model, codec, loss = parts(name)
    with_people = synthetic_batch(PERSON.count, (128, 128))
    for batch in (with_people, nobody(with_people)):
        outputs = model.train()(batch.images, batch.instances)
        with torch.no_grad():
            targets = codec.encode({k: v.detach().float() for k, v in outputs.items()}, batch)
        total = loss(outputs, targets)["total"]
        assert torch.isfinite(total)
    total.backward()
    with torch.no_grad():
        found = codec.decode(model.eval()(with_people.images), (2, 128, 128))
    assert len(found) == 2
