"""The history of a run that was killed and went on: every step once, none missing."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reading import Offline, offline_runs, records
from tiny_run import fit, fresh

from armature.callbacks.steps import Steps
from armature.callbacks.throughput import Throughput
from armature.tracking import WandbLogger
from armature.tracking.continuity import Continuity
from armature.tracking.parts import last_steps, parts

pytestmark = pytest.mark.slow

METRICS = ("step/fit", "step/lr", "train/fit", "train/total", "val/AP", "throughput/data_wait")


def run(folder, id=None, resume=False, on_batch=None, epochs=3):
    logger = WandbLogger(folder, id=id)
    logger.log_hyperparams({"seed": 1})
    module = fresh()
    module.on_batch = on_batch
    try:
        fit(
            folder,
            module,
            epochs,
            resume=resume,
            logger=[logger],
            callbacks=[Throughput(skip=0), Steps(), Continuity(logger)],
            log_every_n_steps=1,
        )
    finally:
        logger.close()
    return logger


def stop_at(epoch, batch):
    def on_batch(module, number):
        if (module.current_epoch, number) == (epoch, batch):
            raise RuntimeError("stop")

    return on_batch


def columns(folder):
    """(step, epoch, value) of each metric over all parts of the run, in their order; values of rates are left out."""
    runs = [Offline(file) for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]
    found = {name: [point for part in runs for point in part.column(name)] for name in METRICS}
    return found | {"throughput/data_wait": [point[:2] for point in found["throughput/data_wait"]]}


def lose(file, step):
    """Cuts the file in the middle of the first row at or after ``step``, as a process that is killed leaves it."""
    data = file.read_bytes()
    ends = list(itertools.accumulate(7 + r.ByteSize() for r in records(file)))
    rows = [(end, r) for end, r in zip(ends, records(file), strict=True) if r.WhichOneof("record_type") == "history"]
    whole = 7 + next(end for end, row in rows if row.history.step.num >= step)
    assert len(data) < 32768, "records in one block follow each other without gaps"
    file.write_bytes(data[: whole - 5])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    offline_runs(folder)
    return columns(folder)


def test_what_an_undisturbed_run_logs(undisturbed):
    assert [step for step, _, _ in undisturbed["step/fit"]] == list(range(18))
    assert [(step, epoch) for step, epoch, _ in undisturbed["train/fit"]] == [(5, 1), (11, 2), (17, 3)]
    assert undisturbed["throughput/data_wait"] == [(5, 1), (11, 2), (17, 3)]


@pytest.mark.parametrize(
    ("place", "lost"),
    [((1, 3), None), ((1, 3), 8), ((1, 3), 6), ((1, 3), 5), ((1, 3), 2), ((2, 0), 11), ((2, 0), 0)],
    ids=str,
)
def test_killed_and_resumed(tmp_path, undisturbed, place, lost):
    """Killed at (epoch, batch) with all rows from ``lost`` on not yet on the disk; checkpoints are those of epochs."""
    logger = WandbLogger(tmp_path)
    with pytest.raises(RuntimeError, match="stop"):
        run(tmp_path, logger.id, on_batch=stop_at(*place))
    (first,) = offline_runs(tmp_path)
    if lost is not None:
        lose(first.file, lost)
    kept = [step for step, _, _ in Offline(first.file).column("step/fit")]
    assert kept == list(range(6 * place[0] + place[1] if lost is None else lost))
    run(tmp_path, logger.id, resume=True)
    offline_runs(tmp_path)
    assert columns(tmp_path) == undisturbed


def test_a_validation_that_was_interrupted_is_recorded_once(tmp_path):
    """The row of that step is on the disk already, but for the validation."""
    first = WandbLogger(tmp_path)
    first.log_metrics({"step/total": 1.0}, step=9)
    first.close()
    second = WandbLogger(tmp_path, id=first.id)
    second.replay([[9, {"step/total": 1.0}]])
    second.log_metrics({"val/AP": 0.5, "epoch": 0}, step=9)
    second.log_metrics({"step/total": 2.0}, step=19)
    second.close()
    runs = offline_runs(tmp_path)
    assert [point for part in runs for point in part.column("step/total")] == [(9, None, 1.0), (19, None, 2.0)]
    assert [point for part in runs for point in part.column("val/AP")] == [(10, 1, 0.5)]


def test_the_projects_own_reader(tmp_path):
    """Against the independent one, on rows that fill several blocks."""
    logger = WandbLogger(tmp_path)
    for step in range(400):
        logger.log_metrics({f"step/metric_{i}": step + i for i in range(30)}, step=step)
    logger.log_metrics({"val/AP": 0.5, "epoch": 0}, step=399)
    logger.close()
    (found,) = offline_runs(tmp_path)
    assert found.file.stat().st_size > 4 * 32768
    (part,) = parts([tmp_path])
    assert list(part.rows()) == found.rows and part.id == logger.id and part.offline and not part.sent
    assert not part.running(), "its end is written"
    last, step = last_steps([part])
    assert step == 399 and last["step/metric_7"] == last["val/AP"] == 399
    whole = part.file.read_bytes()
    for length in (0, 7, 20, 32768, 40000, len(whole) - 1):
        part.file.write_bytes(whole[:length])
        assert list(part.rows()) == Offline(part.file).rows
        assert part.running()


def test_rows_of_another_run_are_not_replayed(tmp_path):
    old, new = WandbLogger(tmp_path / "a"), WandbLogger(tmp_path / "b")
    old.log_metrics({"val/AP": 0.5, "epoch": 0}, step=3)
    state = Continuity(old).state_dict()
    assert state["rows"] == [[3, {"val/AP": 0.5, "epoch": 1}]]
    Continuity(new).load_state_dict(state)
    for logger in (old, new):
        logger.log_metrics({"val/loss": 1.0}, step=4)
        logger.close()
    assert len(offline_runs(tmp_path / "b")[0].rows) == 1


def test_really_killed_right_after_a_checkpoint(tmp_path, undisturbed):
    logger, here = WandbLogger(tmp_path), Path(__file__).parent
    script = f"""
import os, sys
sys.path[:0] = {[str(here), str(here.parent / "callbacks")]!r}
from test_continuity import run
def on_batch(module, number):
    if (module.current_epoch, number) == (1, 0):
        os.kill(os.getpid(), 9)
from pathlib import Path
run(Path({str(tmp_path)!r}), {logger.id!r}, on_batch=on_batch)
"""
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == -9
    run(tmp_path, logger.id, resume=True)
    offline_runs(tmp_path)
    assert columns(tmp_path) == undisturbed
