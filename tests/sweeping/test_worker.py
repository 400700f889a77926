"""Workers on real Optuna and real processes; only the training is a stand-in."""

from __future__ import annotations

import math
import os
import signal
import statistics
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from small_study import (
    HYPERBAND,
    MEDIAN,
    NONE,
    RANDOM,
    TPE,
    made,
    record,
    start,
    starts,
    wait,
)

from armature.errors import ConfigError
from armature.sweeping import folder, local, results
from armature.sweeping.claims import is_alive
from armature.sweeping.worker import Worker

pytestmark = pytest.mark.slow

X = {"x": "interval(-5, 5)"}


def best(x: float) -> float:
    return 10 - (x - 2) ** 2 - 3 / 4 + 1e-3


def test_a_sweep_comes_to_its_end_with_the_right_numbers(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    Worker(sweep, results.publish).work()
    for trial in sweep.trials():
        assert trial.state == TrialState.COMPLETE
        assert trial.value == pytest.approx(best(trial.params["x"]))
        assert sorted(trial.intermediate_values) == [1, 2, 3, 4]
        assert sweep.run(trial.number).metrics.is_file()
    first = results.ranked(sweep, results.rows(sweep))[0]
    assert first["params"]["x"] == min((t.params["x"] for t in sweep.trials()), key=lambda x: abs(x - 2))
    assert sweep.page.is_file() and results.succeeded(sweep)


@pytest.mark.long
def test_pruning_stops_trials_and_saves_their_epochs(tmp_path: Path) -> None:
    sweep = made(tmp_path, "epochs=8", "seconds=0.15", trials=10, pruner=MEDIAN, max_epochs=8, lag=2)
    Worker(sweep).work()
    found = sweep.trials()
    pruned = [t for t in found if t.state == TrialState.PRUNED]
    assert len(pruned) >= 2
    for trial in pruned:
        last = max(trial.intermediate_values)
        known = [t for t in found if t.number <= trial.number - 2 and t.state == TrialState.COMPLETE]
        so_far = max(v for e, v in trial.intermediate_values.items() if e <= last)
        others = [max(v for e, v in t.intermediate_values.items() if e <= last) for t in known]
        assert so_far < statistics.median(t.intermediate_values[last] for t in known) or so_far < max(others)
        assert int((sweep.run(trial.number).path / "state").read_text()) < 8
        assert trial.value == trial.intermediate_values[last]


def test_a_crash_is_recorded_with_its_error_and_the_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "crash").write_text("0002")
    sweep = made(tmp_path, f"crash={tmp_path / 'crash'}")
    Worker(sweep).work()
    assert [t.state for t in sweep.trials()] == [TrialState.COMPLETE] * 6
    crashed = sweep.trials()[2]
    assert (
        len(crashed.user_attrs["crashes"]) == 1 and "RuntimeError: a made-up crash" in crashed.user_attrs["crashes"][0]
    )
    assert starts(sweep, 2) == [0, 1] and starts(sweep, 1) == [0]


def test_a_trial_that_crashes_too_often_fails_and_the_sweep_goes_on(tmp_path: Path) -> None:
    (tmp_path / "crash").write_text("0002")
    sweep = made(tmp_path, f"crash={tmp_path / 'crash'}", retries=0)
    Worker(sweep, results.publish).work()
    states = [t.state for t in sweep.trials()]
    assert states == [TrialState.FAIL if n == 2 else TrialState.COMPLETE for n in range(6)]
    row = results.rows(sweep)[2]
    assert row["state"] == "failed" and row["error"].endswith("RuntimeError: a made-up crash")
    assert "a made-up crash" in sweep.page.read_text()


def test_a_users_mistake_is_not_tried_twice(tmp_path: Path) -> None:
    sweep = made(tmp_path, "refuse=1", trials=1, retries=5)
    Worker(sweep).work()
    assert len(sweep.trials()[0].user_attrs["crashes"]) == 1
    assert "this config cannot be" in sweep.trials()[0].user_attrs["error"] and not results.succeeded(sweep)


def test_a_result_that_is_no_number_fails_its_trial(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=1, objectives={"val/nan": "max"})
    Worker(sweep).work()
    assert sweep.trials()[0].state == TrialState.FAIL and "nothing to go by" in sweep.trials()[0].user_attrs["error"]


def test_an_objective_that_nobody_measures_is_said_with_those_that_are(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=1, objectives={"val/PA": "max"})
    Worker(sweep).work()
    assert "val/AP" in sweep.trials()[0].user_attrs["error"]


def test_the_objective_may_be_the_mean_over_seeds(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=2, seeds=[1, 5, 9])
    Worker(sweep).work()
    for trial in sweep.trials():
        assert trial.value == pytest.approx(best(trial.params["x"]) - 1e-3 + 5e-3)
        assert [v - trial.value for v in trial.user_attrs["seeds of val/AP"]] == pytest.approx([-4e-3, 0, 4e-3])
        assert all(run.metrics.is_file() for run in sweep.runs(trial.number)) and len(sweep.runs(trial.number)) == 3
    assert results.rows(sweep)[0]["epoch"] == 12


def test_a_worker_that_is_killed_leaves_its_trial_to_another_which_goes_on_where_it_was(tmp_path: Path) -> None:
    sweep = made(tmp_path, "epochs=6", "seconds=0.5", trials=1, max_epochs=6)
    first = start(sweep)
    run = sweep.run(0)
    wait(lambda: (run.path / "state").is_file() and int((run.path / "state").read_text()) >= 2)
    first.kill()
    first.wait()
    Worker(sweep).work()
    began = starts(sweep, 0)
    assert len(began) == 2 and began[0] == 0 and began[1] >= 2
    assert sweep.trials()[0].state == TrialState.COMPLETE
    assert results.rows(sweep)[0]["attempts"] == 2


def test_the_training_of_a_killed_worker_ends_too(tmp_path: Path) -> None:
    sweep = made(tmp_path, "seconds=30", trials=1)
    first = start(sweep)
    files = sweep.path / "claims"
    child = wait(lambda: next((c["child"] for c in _said(files) if "child" in c), None))
    wait(lambda: (sweep.run(0).path / "starts").is_file())
    first.kill()
    first.wait()
    wait(lambda: not is_alive(child), 10)


def test_a_trial_whose_workers_always_die_is_given_up(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=1)
    watch, claim = Worker(sweep).watch, None
    for _ in range(5):
        claim = watch.take(0, claim)
        assert claim is not None
        claim.say(pid=2**22 + 1)
    Worker(sweep).work()
    assert "5 workers died" in sweep.trials()[0].user_attrs["error"]


def test_stop_ends_workers_anywhere_and_resume_goes_on(tmp_path: Path) -> None:
    sweep = made(tmp_path, "epochs=5", "seconds=0.3", trials=2, max_epochs=5)
    worker = start(sweep)
    wait(lambda: (sweep.run(0).path / "state").is_file())
    sweep.ask_to_stop("now")
    assert worker.wait(20) == 0
    assert results.rows(sweep)[0]["state"] == "given back" and "go on" in results.summary(sweep)
    Worker(sweep).work()  # still asked to stop
    assert not sweep.trials()[1].state.is_finished()
    sweep.stop.unlink()
    Worker(sweep).work()
    assert all(t.state == TrialState.COMPLETE for t in sweep.trials())
    assert starts(sweep, 0)[1] >= 1


def test_stop_after_the_trial_finishes_it_first(tmp_path: Path) -> None:
    sweep = made(tmp_path, "seconds=0.3", trials=3)
    worker = start(sweep)
    wait(lambda: (sweep.run(0).path / "starts").is_file())
    sweep.ask_to_stop("trial")
    assert worker.wait(20) == 0
    assert [t.state.name for t in sweep.trials()] == ["COMPLETE", "WAITING", "WAITING"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_worker_that_is_told_to_go_gives_its_trial_back(tmp_path: Path, number: int) -> None:
    sweep = made(tmp_path, "seconds=0.3", trials=1)
    worker = start(sweep)
    wait(lambda: (sweep.run(0).path / "state").is_file())
    worker.send_signal(number)
    assert worker.wait(20) == 128 + number
    assert [c["state"] for c in _said(sweep.path / "claims")] == ["released"]
    assert "armature sweep resume=" in worker.stdout.read()  # type: ignore[union-attr]


def test_one_who_lost_its_trial_lets_go_of_it(tmp_path: Path) -> None:
    sweep = made(tmp_path, "seconds=1.0", trials=1, grace=0.6)
    worker = start(sweep)
    wait(lambda: (sweep.run(0).path / "starts").is_file())
    watch = Worker(sweep).watch
    assert watch.take(0, watch.latest(0)) is not None  # somebody took it for dead; that is this very process
    wait(lambda: "another worker has it" in (worker.stdout.readline() if worker.poll() is None else "x" * 3))  # type: ignore[union-attr]
    worker.kill()


def test_a_sweep_can_be_made_longer(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=2)
    Worker(sweep).work()
    before = record(sweep)
    longer = sweep.change(trials=4)
    longer.fill()
    Worker(longer).work()
    assert record(longer)[:2] == before
    assert record(longer) == record(_run(made(tmp_path / "whole", trials=4)))


@pytest.mark.long
def test_a_database_does_as_well(tmp_path: Path) -> None:
    sweep = made(tmp_path, storage=f"sqlite:///{tmp_path / 'study.db'}", trials=3)
    workers = [start(sweep) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert record(sweep) == record(_run(made(tmp_path / "journal", trials=3)))


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    nsga = {"_target_": "armature.sweeping.sampling.nsga2", "population": 4}
    sweep = made(tmp_path, objectives={"val/AP": "max", "val/AP2": "min"}, sampler=nsga, trials=8)
    for trial in sweep.trials():
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        values = [math.sin(trial.number), math.cos(3 * trial.number)]
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, values)
    found = results.rows(sweep)
    front = {row["number"] for row in results.ranked(sweep, found)}
    for row in found:
        a, b = row["values"]
        beaten = any(o["values"][0] >= a and o["values"][1] <= b and o["values"] != row["values"] for o in found)
        assert (row["number"] in front) == (not beaten)


def test_what_is_wrong_with_the_page_ends_no_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(sweep: Any) -> None:
        raise RuntimeError("no page today")

    sweep = made(tmp_path, trials=2)
    Worker(sweep, broken).work()
    assert all(t.state == TrialState.COMPLETE for t in sweep.trials())
    assert capsys.readouterr().out.count("no page today") == 2


def test_wandb_is_told_the_sweeps_name_by_the_variable_that_it_reads() -> None:
    from armature import tracking
    from armature.sweeping import trial

    assert trial.SWEEP_VARIABLE == tracking.SWEEP_VARIABLE


def test_workers_of_one_machine_share_its_devices() -> None:
    def given(devices: int, count: int) -> list[str]:
        names = [str(i) for i in range(devices)]
        return [share.get("CUDA_VISIBLE_DEVICES", "") for share in local.shares(names, count)]

    assert given(1, 3) == ["", "", ""] and given(0, 1) == [""]
    assert given(4, 4) == ["0", "1", "2", "3"] and given(8, 2) == ["0,1,2,3", "4,5,6,7"]
    assert given(2, 4) == ["0", "1", "0", "1"] and given(5, 2) == ["0,1", "2,3"]


def test_a_folder_that_is_no_sweep_is_said_so(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    with pytest.raises(ConfigError, match=sweep.path.name):
        folder.open(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("sampler", "pruner"), [(RANDOM, HYPERBAND), (TPE, MEDIAN), (TPE, NONE)])
def test_a_disturbed_sweep_ends_as_an_undisturbed_one(tmp_path: Path, sampler: Any, pruner: Any) -> None:
    """12 trials, 3 workers; one killed with -9, one trial crashing once, one worker joining late."""
    words = ("epochs=8", "seconds=0.1")
    given = {"sampler": sampler, "pruner": pruner, "trials": 12, "max_epochs": 8, "lag": 4}
    calm = _run(made(tmp_path / "calm", "epochs=8", **given))
    (tmp_path / "crash").write_text("0004")
    sweep = made(tmp_path / "wild", *words, f"crash={tmp_path / 'crash'}", **given)
    workers = [start(sweep) for _ in range(3)]
    claims = sweep.path / "claims"
    victim = wait(lambda: next((c["pid"] for c in _said(claims) if "child" in c and c["state"] == "running"), None))
    os.kill(victim, signal.SIGKILL)
    workers.append(start(sweep))
    codes = [worker.wait(120) for worker in workers]
    assert sorted(codes) == [-9, 0, 0, 0]
    assert record(sweep) == record(calm)
    assert sum(len(t.user_attrs.get("crashes", [])) for t in sweep.trials()) == 1
    assert max(row["attempts"] for row in results.rows(sweep)) == 2


def _run(sweep: folder.SweepFolder) -> folder.SweepFolder:
    Worker(sweep).work()
    return sweep


def _said(claims: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(file.read_text()) for file in sorted(claims.glob("*.json"))]
