"""Released weights become runs: the file's own tensors, under a hash, and nothing that could run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from armature import cli, restoring
from armature.architectures.yolo_pose.released import reference_name
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError, DataError
from armature.weights import initial, releases, tensors


def yolov8n() -> dict[str, Tensor]:
    """Tensors of a YOLOv8n-pose under the reference's names, different for every seed that torch has."""
    model = build(compose("train", ["architecture=yolo_pose"]).model)
    return {reference_name(name): value for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("released") / "yolov8n.pt"
    torch.save(yolov8n(), path)
    return path


@pytest.fixture(scope="module")
def run(file: Path) -> Path:
    assert cli.main(["import-weights", "format=yolov8", f"file={file}", f"runs={file.parent}", "name=mine"]) == 0
    return next((file.parent / "mine").iterdir())


def test_every_release_is_found_and_says_what_it_is() -> None:
    assert {"centernet", "openpose", "torchvision", "yolov8"} <= set(releases.known())
    assert all(len(release.TITLE) > 10 for release in releases.known().values())


def test_a_run_holds_the_files_tensors_and_their_hash(file: Path, run: Path) -> None:
    restored = restoring.restore(run)
    own = restored.module.model.state_dict()
    released = torch.load(file, weights_only=True)
    assert len(own) == len(released)
    torch.testing.assert_close(own["backbone.stem.conv.weight"], released["model.0.conv.weight"])
    assert restored.module.codec.shift == 0.5 and list(restored.config.data.canvas) == [640, 640]
    facts = json.loads((run / "provenance.json").read_text())["weights"]
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and facts["format"] == "yolov8"


def test_a_training_starts_from_it_wherever_it_fits(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = compose("train", ["architecture=yolo_pose", "skeleton=openfield_mouse", "average=ema"])
    from armature import assembly

    module = assembly.assemble(config)
    taken = initial.start_from(module, run)
    released = restoring.restore(run).module.model.state_dict()
    for network in (module.model, module.average.module):  # type: ignore[union-attr]
        state = network.state_dict()
        assert torch.equal(state["backbone.stem.conv.weight"], released["backbone.stem.conv.weight"])
    assert taken.fresh and all("keypoints" in name for name in taken.fresh)
    assert f"{len(taken.taken)} of" in str(taken) and "fresh: head.keypoints" in str(taken)


def test_nothing_that_fits_is_an_error(run: Path) -> None:
    from armature import assembly

    module = assembly.assemble(compose("train", ["architecture=centernet_tiny"]))
    with pytest.raises(ConfigError, match=r"none of its \d+ tensors fits this network"):
        initial.start_from(module, run)


def test_averaged_weights_are_those_that_count() -> None:
    one, two = torch.zeros(1), torch.ones(1)
    assert initial.weights({"model.a": one, "average.module.a": two, "average.n_averaged": one}) == {"a": two}
    assert initial.weights({"model.a": one, "loss.b": two}) == {"a": one}


@pytest.mark.long
def test_torchvisions_features_come_out_of_the_imported_run(tmp_path: Path) -> None:
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    torch.manual_seed(3)
    theirs = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "fresh.pth")
    arguments = ["import-weights", "format=torchvision", f"file={tmp_path / 'fresh.pth'}", f"runs={tmp_path}"]
    assert cli.main(arguments) == 0
    model = restoring.restore(next((tmp_path / "torchvision").iterdir())).module.model
    images = torch.rand(1, 3, 64, 96)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (theirs.transform.image_mean, theirs.transform.image_std))
    with torch.no_grad():
        levels = list(theirs.backbone((images - mean) / std).values())
        for mine, level in zip(model.neck(model.backbone(images)), levels, strict=True):
            torch.testing.assert_close(mine, level, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
def test_tensors_are_found_where_checkpoints_keep_them(wrap: str | None, tmp_path: Path) -> None:
    state = {"a.weight": torch.arange(3.0)}
    torch.save(state if wrap is None else {wrap: state, "epoch": 3}, tmp_path / "a.pth")
    assert torch.equal(tensors.read(tmp_path / "a.pth").tensors["a.weight"], torch.arange(3.0))


def test_safetensors_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.arange(4.0)}, tmp_path / "a.safetensors")
    assert torch.equal(tensors.read(tmp_path / "a.safetensors").tensors["a"], torch.arange(4.0))
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:20])
    with pytest.raises(DataError, match=r"b\.safetensors: no safetensors file"):
        tensors.read(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no checkpoint, or a torn one"), (b"not a checkpoint", "holds more than tensors|no checkpoint")],
)
def test_torn_files_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "torn.pth").write_bytes(content)
    with pytest.raises(DataError, match=rf"torn\.pth: .*({said})"):
        tensors.read(tmp_path / "torn.pth")


def test_a_missing_file_and_one_without_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        tensors.read(tmp_path / "none.pth")
    torch.save({"epoch": 1}, tmp_path / "empty.pth")
    with pytest.raises(DataError, match="no named tensors"):
        tensors.read(tmp_path / "empty.pth")


@pytest.mark.parametrize(
    ("name", "said"),
    [("hrnet", "one person in a crop: none of the architectures here"), ("caffe", "format=caffe is unknown; known")],
)
def test_formats_that_are_not_here_are_named(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        releases.get(name)


def test_another_networks_tensors_are_refused_by_name(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    state = torch.load(file, weights_only=True)
    state.pop("model.22.cv4.0.0.conv.weight")
    torch.save(state, tmp_path / "less.pt")
    assert cli.main(["import-weights", "format=yolov8", f"file={tmp_path / 'less.pt'}", f"runs={tmp_path}"]) == 2
    assert "model.22.cv4.0.0.conv.weight" in capsys.readouterr().err
    assert not (tmp_path / "yolov8").exists()
    torch.save({"model.0.conv.weight": torch.zeros(5, 3, 3, 3)}, tmp_path / "five.pt")
    with pytest.raises(ConfigError, match=r"has 5 channels; YOLOv8-pose has 16, 32"):
        releases.get("yolov8").variant(tensors.read(tmp_path / "five.pt").tensors, "")
