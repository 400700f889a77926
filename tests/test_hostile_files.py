"""Files from a stranger: whatever they hold, nothing happens but a clear error."""

from __future__ import annotations

import ast
import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from armature import assembly, cli
from armature.building import _denied, allowed_prefixes
from armature.configuration import compose, save_text
from armature.errors import DataError
from armature.predicting import reading
from armature.weights.importing import save

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).resolve().parents[1] / "src" / "armature"
SMALL = ["backbone@model.backbone=resnet18", "model.backbone.name=test_resnet", "model.head_channels=8"]
DATA = ["data.canvas=[64,64]", "data.train.length=4", "data.val.length=2", "data.workers=0", "pictures=0"]


class Payload:
    """What unpickles by running a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as a training leaves it."""
    folder = tmp_path_factory.mktemp("runs") / "experiment" / "run"
    folder.mkdir(parents=True)
    config = compose("train", [*SMALL, *DATA, "logger=none", f"runs={folder.parents[1]}"])
    (folder / "config.yaml").write_text(save_text(config))
    module = assembly.assemble(config)
    save(module, folder / "checkpoints" / "best.ckpt")
    return folder


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    import shutil

    return Path(shutil.copytree(sound, tmp_path / "experiment" / "run"))


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that only a payload makes."""
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists(), "the payload was executed"


def photo(folder: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(folder / "photo.png")
    return folder / "photo.png"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one message of a command that ends as a user's mistake."""
    os.environ.pop("ARMATURE_RUN_ID", None)
    assert cli.main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error:") and "Traceback" not in said
    return said


def test_the_sound_run_is_accepted(run: Path, tmp_path: Path) -> None:
    assert cli.main(["predict", f"run={run}", f"source={photo(tmp_path)}", f"output={tmp_path / 'out'}"]) == 0


@pytest.mark.parametrize("verb", ["evaluate", "predict", "export", "init", "import", "resume"])
def test_a_pickle_in_a_checkpoint_is_not_run(
    verb: str, run: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run / "checkpoints" / "best.ckpt"
    torch.save({**torch.load(file, weights_only=True), "more": Payload(marker)}, file)
    (run / "checkpoints" / "last.ckpt").write_bytes(file.read_bytes())
    command = {
        "predict": ["predict", f"run={run}", f"source={photo(tmp_path)}", f"output={tmp_path / 'out'}"],
        "init": ["train", f"init={run}", *SMALL, *DATA, "logger=none", f"runs={tmp_path / 'new'}"],
        "import": ["import-weights", "format=centernet", f"file={file}", f"runs={tmp_path / 'new'}"],
        "resume": ["train", f"resume={run}"],
    }.get(verb, [verb, f"run={run}"])
    assert "ckpt" in refused(capsys, *command)


def test_a_bare_pickle_is_not_run(marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even in the form that torch had before its zip files."""
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"state_dict": Payload(marker)}, protocol=2))
    said = refused(capsys, "import-weights", "format=torchvision", f"file={tmp_path / 'old.pth'}", f"runs={tmp_path}")
    assert "old.pth" in said


COMMAND = "touch '{marker}'"
TARGETS: list[dict[str, Any]] = [
    {"_target_": "os.system", "command": COMMAND},
    {"_target_": "subprocess.check_output", "args": COMMAND, "shell": True},
    {"_target_": "builtins.eval", "_args_": ["__import__('os').system({command!r})"]},
    {"_target_": "torch.utils.collect_env.run", "command": COMMAND},
    {"_target_": "torch.os.system", "_args_": [COMMAND]},
    {"_target_": "torch.nn.modules.module.os.system", "_args_": [COMMAND]},
    {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "os.system", "command": COMMAND}]},
    {"_target_": "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler", "entrypoint": "sh"},
    {"_target_": "torch.hub.load", "repo_or_dir": "{folder}", "model": "evil", "source": "local"},
    {"_target_": "torch.load", "f": "{evil}", "weights_only": False},
    {"_target_": "pytorch_lightning.LightningModule.load_from_checkpoint", "checkpoint_path": "{evil}"},
    {"_target_": "timm.create_model", "model_name": "resnet18", "checkpoint_path": "{evil}"},
    {"_target_": "armature.layers.backbone.Backbone", "name": "resnet18", "options": {"checkpoint_path": "{evil}"}},
    {"_target_": "armature.run_folder.write_text", "path": "{marker}", "text": "x"},
    {"_target_": "armature.data.labels.writing.write_json", "path": "{marker}", "content": {}},
    {"_target_": "armature.evaluation.coco_json.write", "_args_": ["{marker}", {}]},
    {"_target_": "armature.evaluation.results.Predictions.save", "self": None, "file": "{marker}"},
    {"_target_": "torchvision.io.write_file", "filename": "{marker}", "data": {"_target_": "torch.zeros", "size": 1}},
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t["_target_"].split(".", 1)[0] + "-" + t["_target_"][-24:])
def test_a_target_in_a_stored_config_is_not_called(
    target: dict[str, Any], run: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "evil.pth"
    torch.save({"state_dict": {"a": Payload(marker)}}, evil)
    (tmp_path / "hubconf.py").write_text(f"import os\nos.system(\"touch '{marker}'\")\n")
    text = json.dumps(target).replace("{command!r}", json.dumps(COMMAND)[1:-1])
    for name, value in {"marker": marker, "evil": evil, "folder": tmp_path}.items():
        text = text.replace("{" + name + "}", str(value))
    # In one of three places in turn.
    config = yaml.safe_load((run / "config.yaml").read_text())
    key = ("skeleton", "model", "augment")[TARGETS.index(target) % 3]
    (run / "config.yaml").write_text(json.dumps(config | {key: json.loads(text)}))  # JSON is YAML
    said = refused(capsys, "predict", f"run={run}", f"source={photo(tmp_path)}", f"output={tmp_path / 'out'}")
    assert "not allowed" in said or "reads weights from a file" in said or "has no 'os'" in said


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system"])
def test_yaml_makes_no_objects(
    tag: str, run: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (run / "config.yaml").open("a") as file:
        file.write(f"\nextra: {tag} [\"touch '{marker}'\"]\n")
    assert "config.yaml" in refused(capsys, "evaluate", f"run={run}")


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "..", "out\n"])
def test_names_do_not_lead_out_of_the_runs_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "a" / "runs"
    said = refused(capsys, "train", f"runs={inside}", f"name='{name}'", *SMALL, *DATA, "logger=none")
    assert "cannot be a folder" in said and not inside.exists() and not list(tmp_path.glob("**/out*"))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "images/../../secret.png", "..\\secret.png"])
def test_picture_names_do_not_lead_out_of_the_data(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    photo(tmp_path).rename(tmp_path / "secret.png")
    content = {
        "images": [{"id": 1, "file_name": name, "width": 64, "height": 64}],
        "annotations": [],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
    }
    (root / "a.json").write_text(json.dumps(content))
    from armature.data.coco import CocoKeypoints
    from armature.skeletons import make

    with pytest.raises(DataError, match=r"a\.json|secret|passwd"):
        source = CocoKeypoints(str(root / "a.json"), str(root), make("one", ["nose"], []))
        source.read(0)


def bomb(side: int = 50_000) -> bytes:
    """A PNG of a few hundred bytes that says it has 2.5 thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(3 * 1000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_named_and_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(folder)
    (folder / "bomb.png").write_bytes(bomb())
    with pytest.raises(DataError, match=r"bomb\.png"):
        reading.read(folder / "bomb.png")
    assert cli.main(["predict", f"run={run}", f"source={folder}", f"output={tmp_path / 'out'}"]) == 1
    told = capsys.readouterr()
    assert "bomb.png" in told.out + told.err


#: Calls that leave something behind or start something.
_DEEDS = ("subprocess", "system", "Popen", "write_text", "write_bytes", "rmtree", "unlink", "imwrite", "copyfile")


def _deeds(function: ast.FunctionDef) -> list[str]:
    used = [node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    used += [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and node.id != "system"]
    return [name for name in used if name in _DEEDS]


def test_no_function_that_a_config_may_call_writes_or_starts_anything() -> None:
    """Read off the sources: a new one must be denied in building.py, or begin with an underscore."""
    found = []
    for file in SOURCES.rglob("*.py"):
        module = ".".join(("armature", *file.relative_to(SOURCES).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _deeds(node):
                name = f"{module}.{node.name}"
                private = any(part.startswith("_") for part in name.split("."))
                if not private and name.startswith(allowed_prefixes()) and not _denied(name):
                    found.append(f"{name}: {', '.join(sorted(set(_deeds(node))))}")
    assert found == []
