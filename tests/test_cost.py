"""What a prediction costs, against numbers that were counted by hand."""

from __future__ import annotations

import ctypes
import json
import platform
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from torch import nn
from torchvision.models import resnet18
from torchvision.ops import deform_conv2d, roi_align

from armature import assembly, cli, config_folders
from armature.building import build
from armature.configuration import compose, save_text
from armature.cost import counting, footprint, latency, pictures, table
from armature.cost.latency import Case
from armature.cost.procedure import Settings, measure
from armature.errors import ConfigError, UserError
from armature.skeletons import load
from armature.verbs import cost

pytestmark = pytest.mark.slow

PERSON = load(config_folders.project() / "skeleton" / "coco_person.yaml")
TINY = [name for name in config_folders.groups()["architecture"] if name.endswith("_tiny")]
QUICK = {"people": (1, 3), "batches": (2,), "repeats": 2, "warmup": 0}


def assembled(name: str, *overrides: str) -> Any:
    torch.manual_seed(0)
    return assembly.assemble(compose("train", [f"architecture={name}", *overrides]))


# ---------------------------------------------------------------------- counting


def test_parameters_and_macs_of_a_network_counted_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 3*8*9 + 8 parameters; 16x16 cells of 8*3*9 MACs
        nn.BatchNorm2d(8),  # 16 parameters, no MAC
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False),  # 8*2*9; 16x16 cells of 8*2*9
        nn.Flatten(),
        nn.Linear(8 * 16 * 16, 5),  # 2048*5 + 5; 2048*5
    ).eval()
    network[3].requires_grad_(False)
    image = torch.rand(1, 3, 32, 32)
    counted = counting.count(network, lambda: network(image))
    assert counted.macs == 256 * 216 + 256 * 144 + 2048 * 5
    assert counting.parameters(network) == {"total": 224 + 16 + 144 + 10245, "trainable": 224 + 16 + 10245}
    assert counting.stored_bytes(network) == 4 * (224 + 16 + 144 + 10245) + 4 * 16 + 8  # mean, variance, one int64
    assert set(counted.not_counted) == {"aten._native_batch_norm_legit_no_training"} and counted.elsewhere == 0


def test_macs_grow_with_the_batch_and_with_attention() -> None:
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    one, two = (torch.rand(b, 10, 16) for b in (1, 2))
    expected = 10 * (3 * 16 * 16) + 2 * (10 * 10 * 16) + 10 * (16 * 16)  # in; products with keys and values; out
    assert counting.count(attention, lambda: attention(one, one, one, need_weights=False)).macs == expected
    assert counting.count(attention, lambda: attention(two, two, two, need_weights=False)).macs == 2 * expected


def test_resnet18_has_its_known_cost() -> None:
    network = resnet18(weights=None).eval()
    counted = counting.count(network, lambda: network(torch.rand(1, 3, 224, 224)))
    assert counting.parameters(network)["total"] == 11_689_512
    assert 1.81e9 < counted.macs < 1.82e9


def test_a_deformable_convolution_is_counted_and_what_has_no_formula_is_named() -> None:
    image, weight = torch.rand(2, 4, 8, 8), torch.rand(6, 4, 3, 3)
    offset, mask = torch.zeros(2, 18, 8, 8), torch.ones(2, 9, 8, 8)

    def call() -> None:
        out = deform_conv2d(image, offset, weight, padding=1, mask=mask)
        roi_align(out, torch.tensor([[0, 0, 0, 4.0, 4.0]]), (2, 2))

    counted = counting.count(nn.Identity(), call)
    assert counted.macs == 2 * 64 * 6 * 4 * 9
    assert counted.not_counted == {"torchvision.roi_align": 1}


def test_parameters_of_a_network_that_is_asked_but_not_owned_are_told() -> None:
    own, other = nn.Linear(4, 4), nn.Linear(4, 2)
    counted = counting.count(own, lambda: other(own(torch.rand(1, 4))))
    assert counted.elsewhere == 4 * 2 + 2


# ---------------------------------------------------------------------- memory, time, pictures


@pytest.fixture
def blocks_of_their_own() -> None:
    """Large tensors outside the heap again: where another test has called ``memory.keep_freed``, a freed one may lie in
    the heap beside the next one, if that is a little too large for the hole, and both are held."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(-4, 65536)  # M_MMAP_MAX


@pytest.mark.usefixtures("blocks_of_their_own")
def test_peak_memory_is_what_is_held_at_once_and_not_the_sum() -> None:
    def twice() -> None:
        for _ in range(2):
            torch.zeros(100 << 18).add_(1)  # 100 MiB of float32

    found, how = footprint.peak(twice, torch.device("cpu"))
    assert found is not None, how
    assert 95 < found / 2**20 < 125
    again, _ = footprint.peak(twice, torch.device("cpu"))  # freed memory that is used again is seen again
    assert again is not None and 95 < again / 2**20 < 125


def test_memory_that_cannot_be_read_is_none_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(footprint, "_RESET", tmp_path / "no" / "such")
    found, how = footprint.peak(lambda: None, torch.device("cpu"))
    assert found is None and how.startswith("not measured")


def test_pictures_show_as_many_people_as_asked_and_are_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for people in (0, 1, 20):
        batch = pictures.crowd(PERSON, (128, 128), people, 2)
        assert ((batch.instances.visibility > 0).any(2).sum(1) == people).all()
    again = pictures.crowd(PERSON, (128, 128), 20, 2)
    assert torch.equal(batch.images, again.images) and 0 <= batch.images.min() <= batch.images.max() <= 1
    monkeypatch.setattr(pictures, "_DRAWN", 2)
    with pytest.raises(UserError, match="only 0 of 2 drawn pictures show all 60 people"):
        pictures.crowd(PERSON, (32, 32), 60)


class _Module:
    """As much of a module as is timed: the network and the decoder take known times."""

    multi_scale, flip_test = None, False

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.codec, self.decoded = clock, self, list[Any]()

    def predict_outputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.clock[0] += 0.010 * len(images)
        return {"own": images}

    def decode(self, outputs: dict[str, torch.Tensor], canvas: tuple[int, int, int]) -> list[list[int]]:
        self.decoded.append(outputs)
        self.clock[0] += 0.002
        return [[1, 2]] * canvas[0]


def test_time_goes_to_the_part_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    module, ideal = _Module(clock), {"ideal": torch.zeros(1)}
    cases = [Case(torch.zeros(1, 3, 8, 8), 1), Case(torch.zeros(3, 3, 8, 8), 5, ideal)]
    one, three = latency.measure(module, cases, 4, 2, half=False)  # type: ignore[arg-type]
    assert one.milliseconds.shape == (4, 3) and len(module.decoded) == 12
    for timed, expected in ((one, (10, 2, 12)), (three, (30, 2, 32))):
        for part, value in zip(latency.PARTS, expected, strict=True):
            assert timed.quartiles()[part] == pytest.approx({"median": value, "q1": value, "q3": value})
    assert one.found == three.found == 2
    assert module.decoded[1] is ideal and "own" in module.decoded[0]


def test_quartiles_are_those_of_the_repeats() -> None:
    timed = latency.Timed(torch.arange(15.0).reshape(5, 3).numpy(), 1.0)
    assert timed.quartiles()["decode"] == {"median": 7.0, "q1": 4.0, "q3": 10.0}


# ---------------------------------------------------------------------- the procedure


@pytest.mark.long
@pytest.mark.parametrize("name", TINY)
def test_every_architecture_goes_through_the_same_procedure(name: str) -> None:
    module = assembled(name)
    measured = measure(module, PERSON, Settings((128, 128), outputs="ideal", **QUICK))
    assert measured["parameters"]["total"] == sum(p.numel() for p in module.model.parameters())
    assert measured["macs"]["passes"] == 2  # the flip test; merging the two may multiply a little
    assert measured["macs"]["image"] == pytest.approx(2 * measured["macs"]["pass"], rel=1e-5)
    assert [row["people"] for row in measured["latency"]] == [1, 3]
    for row in measured["latency"]:
        assert row["found"] >= 1 and row["network"]["q1"] <= row["network"]["median"] <= row["network"]["q3"]
        assert row["total"]["median"] >= row["decode"]["median"] > 0
    assert [t["batch"] for t in measured["throughput"]] == [2]
    assert measured["memory"]["peak"] > measured["memory"]["weights"] > 4e6
    numbers = measured["numbers"]
    assert numbers["cost/MACs"] == measured["macs"]["image"] and numbers["cost/images_per_second@2"] > 0
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table.of({"of": name, **measured}))
    shown = console.export_text()
    assert table.amount(measured["macs"]["pass"]) in shown and "canvas 128x128" in shown


def test_without_the_flip_test_there_is_one_pass_and_what_decodes_is_the_networks_own() -> None:
    module = assembled("yolo_pose_tiny", "flip_test=false")
    settings = Settings((64, 64), threads=1, **{**QUICK, "people": (0, 1, 2)})
    measured = measure(module, PERSON, settings)
    told = measured["conditions"]
    assert measured["macs"]["passes"] == 1 and not told["flip_test"]
    assert told["outputs"] == "network" and told["threads"] == 1 and told["people"] == settings.middle == 1
    assert {"device", "precision", "canvas", "torch", "pictures", "decoded"} <= set(told)


def test_several_sizes_are_timed_as_a_whole() -> None:
    module = assembled("yolo_pose_tiny", "multi_scale=five", "multi_scale.scales=[0.5,1.0]")
    measured = measure(module, PERSON, Settings((64, 64), **QUICK))
    row = measured["latency"][0]
    assert row["total"]["median"] > 0 and row["network"]["median"] != row["network"]["median"]
    assert measured["macs"]["passes"] == pytest.approx(2 * 1.25, rel=0.02)  # each twice; the small one a quarter
    assert measured["conditions"]["multi_scale"] == [0.5, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "cuda:99"},
        {"device": "abacus"},
        {"precision": "8-bit"},
        {"threads": 0},
        {"people": ()},
        {"batches": (0,)},
        {"repeats": 0},
        {"outputs": "none"},
    ],
)
def test_a_setting_that_cannot_be_measured_with_is_named(wrong: dict[str, Any]) -> None:
    if torch.cuda.is_available() and "cuda" in str(wrong.get("device")):
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
        measure(assembled("yolo_pose_tiny"), PERSON, Settings((64, 64), **wrong))


# ---------------------------------------------------------------------- the verb

WORDS = ["people=[1,2]", "batches=[1]", "repeats=1", "warmup=0"]


def test_the_verb_writes_the_cost_of_an_architecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", "architecture=yolo_pose_tiny", "data.canvas=[64,64]", f"output={tmp_path}", *WORDS]
    assert cli.main(words) == 0
    measured = json.loads((tmp_path / "cost.json").read_text())
    assert measured["conditions"]["canvas"] == [64, 64] and measured["conditions"]["outputs"] == "ideal"
    assert measured["of"].startswith("architecture=yolo_pose_tiny data.canvas=[64,64], weights as made")
    assert "cost.json" in capsys.readouterr().out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a config and a checkpoint, as a training leaves it."""
    folder = tmp_path_factory.mktemp("runs") / "default" / "one"
    (folder / "checkpoints").mkdir(parents=True)
    config = compose("train", ["architecture=yolo_pose_tiny", "data.canvas=[64,64]"])
    (folder / "config.yaml").write_text(save_text(config))
    module = assembly.assemble(config)
    torch.save({"state_dict": module.state_dict()}, folder / "checkpoints" / "best.ckpt")
    return folder


def test_the_verb_measures_a_run_and_leaves_the_cost_in_it(run: Path) -> None:
    assert cli.main(["cost", f"run={run}", "overrides={flip_test:false}", *WORDS]) == 0
    measured = json.loads((run / "cost.json").read_text())
    assert measured["conditions"]["outputs"] == "network" and measured["conditions"]["canvas"] == [64, 64]
    assert measured["macs"]["passes"] == 1 and "checkpoint best, {'flip_test': False}" in measured["of"]
    expected = build(compose("train", ["architecture=yolo_pose_tiny"]).model)
    assert measured["parameters"]["total"] == sum(p.numel() for p in expected.parameters())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run={run}", "architecture=centernet_tiny"], "'architecture' is of a training"),
        (["overrides={flip_test:false}"], "overrides={...} are of a run"),
        (["run=nowhere"], "no such folder"),
        (["outputs=neither", "architecture=yolo_pose_tiny"], "outputs=neither cannot be measured with"),
    ],
)
def test_a_users_mistake_is_one_message(
    words: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["cost", *(word.replace("{run}", str(run)) for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_the_verbs_own_keys_are_those_of_its_config() -> None:
    content = yaml.safe_load((config_folders.project() / "cost.yaml").read_text())
    assert set(content) - {"defaults"} == set(cost.OWN)
