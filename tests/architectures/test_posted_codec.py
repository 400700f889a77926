"""The PoseTED-like model and codec: crops, both readings of the decoder, mirrors, detectors from elsewhere."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from armature.architectures.posted import looking, matching
from armature.architectures.posted.codec import PoseTEDCodec
from armature.architectures.posted.crops import Jitter, Refiner, crops_of
from armature.architectures.posted.detection import Found
from armature.architectures.posted.model import PoseTED
from armature.architectures.posted.people import distinct
from armature.architectures.posted.pose import PoseTransformer
from armature.architectures.posted.yolov4 import YOLOv4
from armature.architectures.protocol import synthetic_batch
from armature.errors import ConfigError
from armature.layers.backbone import Backbone
from armature.layers.transformer import Transformer
from armature.skeletons import load
from armature.structures import Batch, Outputs

PERSON = load("conf/skeleton/coco_person.yaml")
K = PERSON.count
ANCHORS = [[[18, 35], [17, 53], [28, 35]], [[24, 48], [23, 65], [34, 54]], [[32, 81], [44, 68], [59, 87]]]


class Eye(nn.Module):
    """A backbone of as many levels as asked for: pictures averaged over cells and mixed."""

    def __init__(self, strides: Sequence[int]) -> None:
        super().__init__()
        self.strides, self.channels = list(strides), [8] * len(strides)
        self.mix = nn.Conv2d(3, 8, 1)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [nn.functional.avg_pool2d(self.mix(images), s) for s in self.strides]


def make(detector: object = None, queries: int | None = None, **options: object) -> PoseTED:
    torch.manual_seed(0)
    if detector is None:
        detector = YOLOv4(Eye([8, 16, 32]), ANCHORS, widths=[8, 8, 8])
    pose = PoseTransformer(PERSON, Eye([8]), Transformer(16, 2, 32, 1, 2), queries)
    return PoseTED(detector, pose, (32, 24), **options).eval()  # type: ignore[arg-type]


def fixed(images: torch.Tensor) -> list[Found]:
    """Two people in every image, one of them left of the middle."""
    boxes = torch.tensor([[10.0, 20, 50, 110], [70.0, 30, 100, 90]])
    return [Found(boxes, torch.tensor([0.9, 0.6])) for _ in images]


def oracle(model: PoseTED, codec: PoseTEDCodec, batch: Batch) -> Outputs:
    with torch.no_grad():
        said = model(batch.images, batch.instances)
        return codec.ideal(said, codec.encode(said, batch))


@pytest.mark.parametrize("queries", [None, 30])
@pytest.mark.parametrize("aspect", ["stretch", "keep"])
@pytest.mark.parametrize("size", [(128, 128), (97, 131)])
def test_an_ideal_network_gives_back_the_people_exactly(
    queries: int | None, aspect: str, size: tuple[int, int]
) -> None:
    model, codec, batch = (
        make(queries=queries, aspect=aspect),
        PoseTEDCodec(PERSON, oks_nms=None),
        synthetic_batch(K, size),
    )
    found = codec.decode(oracle(model, codec, batch), (2, *size))
    for image, count in enumerate((2, 1)):
        assert len(found[image]) == count
        for i in range(count):
            slot = int((found[image].boxes[i] - batch.instances.boxes[image]).abs().sum(-1).argmin())
            away = (found[image].keypoints[i] - batch.instances.keypoints[image, slot]).norm(dim=-1)
            assert float(away.max()) <= codec.tolerance and float(found[image].scores[i]) > 0.98


def test_in_training_the_crop_of_a_person_learns_that_person_wherever_it_landed() -> None:
    model, codec, batch = (
        make(jitter=Jitter(0.3, 0.5, 40), source="truth").train(),
        PoseTEDCodec(PERSON),
        synthetic_batch(K),
    )
    said = model(batch.images, batch.instances)
    assert len(said["regions"]) == 3
    target = codec.encode(said, batch)["points"]
    for r in range(3):
        b, slot = int(said["region_images"][r]), int(said["region_slots"][r])
        on = target.weight[r, :, 0] > 0
        torch.testing.assert_close(target.value[r][on], batch.instances.keypoints[b, slot][on], atol=1e-3, rtol=0)
        inside = ((codec.encode(said, batch)["keypoints"].value[r] - 0.5).abs() <= 0.5).all(-1)
        assert (on == inside).all()


def test_in_training_detections_stand_for_people_where_they_were_found() -> None:
    batch = synthetic_batch(K)
    near = batch.instances.boxes[0, 0] + torch.tensor([2.0, -1, 3, 2])

    def detector(images: torch.Tensor) -> list[Found]:
        return [Found(torch.stack([torch.tensor([100.0, 0, 120, 20]), near]), torch.tensor([0.9, 0.3])) for _ in images]

    model = make(detector, source="detections", jitter=Jitter(0.1, 0.3)).train()
    said = model(batch.images, batch.instances)
    mine = said["region_slots"] == 0
    assert (said["regions"][mine] == near).all() and int(mine.sum()) == 2
    torch.testing.assert_close(said["crops"][mine], crops_of(near[None], 1.25, (32, 24), "stretch").expand(2, -1, -1))
    assert (said["regions"][~mine] == batch.instances.boxes[0, 1]).all()


def test_given_boxes_are_looked_at_as_they_are_with_their_scores() -> None:
    model, batch = make(jitter=Jitter(0.3, 0.5)), synthetic_batch(K)
    with torch.no_grad():
        said = model(batch.images, batch.instances)
        assert (said["region_scores"] == 1).all()
        batch.instances.scores = torch.tensor([[0.2, 0.8], [0.5, 0.0]])  # type: ignore[attr-defined]
        said = model(batch.images, batch.instances)
    assert said["region_images"].tolist() == [0, 0, 1]
    torch.testing.assert_close(said["region_scores"], torch.tensor([0.8, 0.2, 0.5]))
    assert (said["regions"][0] == batch.instances.boxes[0, 1]).all()


def test_the_crops_of_an_image_are_bounded() -> None:
    batch = synthetic_batch(K)
    for training, people in itertools.product((True, False), (batch.instances, None)):
        model = make(fixed, max_crops=1).train(training)
        assert model(batch.images, people)["region_images"].tolist() == [0, 1]


def test_the_score_is_the_boxs_times_the_mean_of_what_is_seen() -> None:
    model, codec = make(fixed), PoseTEDCodec(PERSON, visible=0.2, oks_nms=None)
    with torch.no_grad():
        said = model(torch.rand(1, 3, 128, 128))
    said["presence"] = torch.full_like(said["presence"], -9.0)
    said["presence"][-1, 0, :4] = torch.tensor([0.9, 0.5, 0.3, 0.1]).logit()
    found = codec.decode(said, (1, 128, 128))[0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9 * (0.9 + 0.5 + 0.3) / 3, 0.0]))


@pytest.mark.parametrize("queries", [None, 30])
def test_nobody_anywhere_is_a_loss_that_can_be_learned_from(queries: int | None) -> None:
    batch = synthetic_batch(K)
    batch.instances.valid[:] = False
    for training in (True, False):
        model, codec = make(queries=queries).train(training), PoseTEDCodec(PERSON)
        said = model(batch.images, batch.instances)
        targets = codec.encode({k: v.detach().float() for k, v in said.items()}, batch)
        assert said["region_images"].tolist() == [-1]
        assert all(targets[n].weight.sum() == 0 for n in targets if n != "objectness")
        total = sum((said[n] * t.weight).sum() for n, t in targets.items())
        total.backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
        assert [len(p) for p in codec.decode(said, (2, 128, 128))] == [0, 0]


@pytest.mark.parametrize("queries", [None, 30])
def test_a_mirrored_view_is_merged_with_the_same_person(queries: int | None) -> None:
    model, codec = make(fixed, queries), PoseTEDCodec(PERSON, oks_nms=None)
    upright = synthetic_batch(K)
    upright.instances.boxes = torch.tensor([[[10.0, 20, 50, 110], [70.0, 30, 100, 90]]] * 2)
    upright.instances.keypoints = upright.instances.boxes[:, :, None, :2] + torch.rand(2, 2, K, 2) * torch.tensor(
        [30.0, 60.0]
    )
    upright.instances.valid[:], upright.instances.visibility[:] = True, 2
    mirror = synthetic_batch(K)
    x1, y1, x2, y2 = upright.instances.boxes.unbind(-1)
    mirror.instances.boxes = torch.stack([128 - x2, y1, 128 - x1, y2], -1)[:, [1]]  # the other one was not found
    mirror.instances.areas = mirror.instances.areas[:, [1]]
    points = upright.instances.keypoints[:, [1]][:, :, list(PERSON.flip)]
    mirror.instances.keypoints = torch.stack([128 - points[..., 0], points[..., 1]], -1) + torch.tensor([-2.0, 4.0])
    mirror.instances.valid, mirror.instances.visibility = torch.ones(2, 1, dtype=torch.bool), torch.full((2, 1, K), 2)
    found = codec.decode(codec.unflip(oracle(model, codec, upright), oracle(model, codec, mirror)), (2, 128, 128))
    for people, moved in itertools.product(found, (0, 1)):
        i = int((people.boxes[:, 0] - (10.0, 70.0)[moved]).abs().argmin())
        expected = upright.instances.keypoints[0 if people is found[0] else 1, moved] + moved * torch.tensor([1.0, 2.0])
        torch.testing.assert_close(people.keypoints[i], expected, atol=0.05, rtol=0)


def test_the_matching_is_the_cheapest_of_all() -> None:
    generator = torch.Generator().manual_seed(0)
    types, points = torch.randn(2, 1, 5, 4, generator=generator), torch.rand(2, 1, 5, 2, generator=generator)
    truth, labelled = torch.rand(1, 3, 2, generator=generator), torch.tensor([[True, True, False]])
    found = matching.match(types, points, truth, labelled)
    for layer in range(2):

        def cost(queries: Sequence[int], layer: int = layer) -> float:
            p = types[layer, 0].softmax(-1)
            return sum(
                float(5 * (points[layer, 0, q] - truth[0, k]).abs().sum() - p[q, k])
                for k, q in enumerate(queries)
                if k < 2
            )

        assert found[layer, 0].unique().numel() == 3
        assert cost(found[layer, 0].tolist()) == pytest.approx(
            min(map(cost, itertools.permutations(range(5), 3))), abs=1e-5
        )


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(ConfigError, match="queries"):
        matching.cheapest(torch.zeros(1, 3, 4))


@pytest.mark.parametrize("placed", [False, True])
def test_a_blank_picture_tells_places_only_where_tokens_carry_them(placed: bool) -> None:
    """All tokens are alike there: whatever attention weighs by positions is the same, unless they are in the tokens."""
    torch.manual_seed(0)
    pose = PoseTransformer(PERSON, Eye([8]), Transformer(16, 2, 32, 1, 2), placed=placed).eval()
    blank = torch.full((1, 3, 32, 24), 0.5)
    with torch.no_grad():
        before = pose(blank)["keypoints"]
        pose.temperature = 2.0
        moved = (pose(blank)["keypoints"] - before).abs().max()
    assert (float(moved) > 1e-3) if placed else float(moved) == pytest.approx(0, abs=1e-5)


def test_the_matched_reading_has_as_many_parameters_as_prtr() -> None:
    with torch.device("meta"):
        pose = PoseTransformer(PERSON, Backbone("resnet50", strides=[32]), Transformer(), 100)
    assert sum(p.numel() for p in pose.parameters()) / 1e6 == pytest.approx(41.5, abs=0.1)


def test_people_found_twice_are_one() -> None:
    points = torch.rand(1, K, 2) * 60
    three = torch.cat([points, points + 0.5, points + 20])
    boxes = torch.tensor([[0.0, 0, 60, 60]]).expand(3, 4)
    assert distinct(three, boxes, PERSON.sigmas or (), 0.9).tolist() == [0, 2]
    assert distinct(three, boxes, PERSON.sigmas or (), None).tolist() == [0, 1, 2]


def test_a_refined_crop_answers_in_the_units_of_the_box() -> None:
    plain, refined = make(fixed), make(fixed, refine=Refiner((16, 16), "affine")).eval()
    refined.pose = plain.pose
    images = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(plain(images)["keypoints"], refined(images)["keypoints"])
        refined.refine.say.bias[:] = torch.tensor([0.2, 0.3, -0.4, 0.1, -0.2, 0.3])
        said = refined(images)
    assert not torch.allclose(plain(images)["keypoints"], said["keypoints"], atol=1e-3)
    torch.testing.assert_close(said["crops"], plain(images)["crops"])


@pytest.mark.parametrize("through", [True, False])
def test_the_detector_learns_from_keypoints_only_if_asked(through: bool) -> None:
    batch = synthetic_batch(K)
    model = make(through_boxes=through, source="detections").train()
    found = batch.instances.boxes[0, 0]

    class Own(nn.Module):
        divisor = 1

        def __init__(self) -> None:
            super().__init__()
            self.box = nn.Parameter(found + 1.0)

        def forward(self, images: torch.Tensor) -> Outputs:
            one = self.box.expand(len(images), 1, 4)
            grids = torch.tensor([[1, 1, 128]])
            score = torch.zeros(len(images), 1)
            return {
                "boxes": one,
                "objectness": score,
                "classes": score[..., None],
                "anchors": torch.ones(1, 1, 2),
                "grids": grids,
            }

        def find(self, images: torch.Tensor, outputs: Outputs) -> list[Found]:
            return [Found(self.box.detach()[None], torch.ones(1)) for _ in images]

    model.detector = Own()  # type: ignore[assignment]
    model(batch.images, batch.instances)["points"].sum().backward()
    grad = model.detector.box.grad  # type: ignore[union-attr]
    assert (grad is not None and float(grad.abs().sum()) > 0) == through


def test_a_detector_that_is_not_trained_stays_as_it_is() -> None:
    model = make(train_detector=False).train()
    before = {k: v.clone() for k, v in model.detector.state_dict().items()}  # type: ignore[attr-defined]
    said = model(synthetic_batch(K).images, synthetic_batch(K).instances)
    assert not said["boxes"].requires_grad and said["keypoints"].requires_grad
    after = model.detector.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_detector_may_be_a_name_that_something_opens() -> None:
    opened = []
    model = make("runs/somewhere", open_detector=lambda name: opened.append(name) or fixed)
    codec, batch = PoseTEDCodec(PERSON), synthetic_batch(K)
    with torch.no_grad():
        said = model(batch.images)
    targets = codec.encode(said, batch)
    assert opened == ["runs/somewhere"] and said["region_scores"].tolist() == pytest.approx([0.9, 0.6] * 2)
    assert said["boxes"].shape == (2, 0, 4) and targets["boxes"].value.shape == (2, 0, 4)
    assert [len(p) for p in codec.decode(said, (2, 128, 128))] == [2, 2]
    with pytest.raises(ConfigError, match="open_detector"):
        make("runs/somewhere")


def test_many_people_are_chosen_from_at_random_and_only_labelled_ones() -> None:
    torch.manual_seed(0)
    people = synthetic_batch(K).instances
    people.visibility[0, 1] = 0
    assert looking.at_people(people, 5, (128, 128)).slot.tolist() == [0, 0]
    people.visibility[0, 1] = 1
    chosen = {int(looking.at_people(people, 1, (128, 128)).slot[0]) for _ in range(20)}
    assert chosen == {0, 1}


@pytest.mark.parametrize("options", [{"source": "guess"}, {"aspect": "square"}, {"border": "mirror"}, {"max_crops": 0}])
def test_bad_arguments_are_told(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make(**options)  # type: ignore[arg-type]
