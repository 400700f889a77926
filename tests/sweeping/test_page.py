"""The results of a sweep as a page and as a table: right numbers, nothing from outside, safe whatever is written."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from browser import chromium, complaints
from small_study import made, start

from armature import cli
from armature.reports import sweep_charts, sweep_page
from armature.sweeping import results, status
from armature.sweeping.folder import SweepFolder

HOSTILE = "<script>alert(1)</script>"
SPACE = {"x": "interval(-5, 5)", "lr": "tag(log, interval(1e-4, 1))", "kind": "choice(good, bad)"}
WHEN = {"kind=bad": {"y": "range(5)"}}


def filled(root: Path, **settings: Any) -> SweepFolder:
    """30 trials told to Optuna directly: lr decides, x a little, y and kind nothing; 5 pruned, one failed."""
    import numpy as np

    sweep = made(root, space=SPACE, when=WHEN, trials=30, **settings)
    rng = np.random.default_rng(0)
    for trial in sweep.trials():
        n, storage, key = trial.number, sweep.storage, trial._trial_id
        params = {"x": rng.uniform(-5, 5), "lr": 10 ** rng.uniform(-4, 0), "kind": ["good", "bad"][n % 2], "y": n % 5}
        storage.set_trial_state_values(key, TrialState.RUNNING)
        value = -((np.log10(params["lr"]) + 2) ** 2) * 10 + params["x"] * 0.1
        for p in sweep.space.parameters:
            if sweep.space.exists(p, params):
                storage.set_trial_param(
                    key, p.name, p.distribution().to_internal_repr(params[p.name]), p.distribution()
                )
            else:
                del params[p.name]
        storage.set_trial_user_attr(key, "overrides", sweep.space.overrides(params))
        storage.set_trial_intermediate_value(key, 1, value - 1)
        if n == 7:
            storage.set_trial_user_attr(key, "error", f"exit 1\n{HOSTILE}")
            storage.set_trial_state_values(key, TrialState.FAIL)
        else:
            state = TrialState.PRUNED if n % 6 == 5 else TrialState.COMPLETE
            storage.set_trial_state_values(key, state, [value])
    return sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return filled(tmp_path_factory.mktemp("sweep"))


def test_the_best_is_the_largest_complete_one(sweep: SweepFolder) -> None:
    found = results.ranked(sweep, results.rows(sweep))
    values = {t.number: t.value for t in sweep.trials() if t.state.name == "COMPLETE"}
    assert [row["number"] for row in found] == sorted(values, key=lambda n: -values[n])
    text = sweep_page.headline(results.document(sweep))
    assert text.startswith(
        f"Trial {max(values, key=lambda n: values[n])} is best: val/AP {max(values.values()):.4g} with"
    )


def test_what_decides_is_found_important(sweep: SweepFolder) -> None:
    entry = results.importances(sweep)[0]
    assert entry["condition"] == "" and entry["trials"] == 24
    assert set(entry["shares"]) == {"x", "lr", "kind"} and max(entry["shares"], key=entry["shares"].get) == "lr"
    assert sum(entry["shares"].values()) == pytest.approx(1)


def test_the_page_is_whole_and_escapes_what_it_shows(sweep: SweepFolder) -> None:
    page = results.publish(sweep).read_text()
    assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    document = results.document(sweep)
    assert page.count('class="thread') == 24 and page.count("<figure>") == 2 + 4
    compared = document["compare"].replace("\\\n", "").split()
    assert compared[:2] == ["armature", "compare"] and len(compared) == 2


def test_an_empty_sweep_has_a_page_as_well(tmp_path: Path) -> None:
    page = results.publish(made(tmp_path)).read_text()
    assert "No trial is complete yet." in page and "Nothing was measured yet." in page


def test_several_objectives_show_their_front(tmp_path: Path) -> None:
    sweep = made(tmp_path, objectives={"val/AP": "max", "cost/latency": "min"}, trials=4)
    for trial, values in zip(sweep.trials(), [(0.5, 10.0), (0.6, 20.0), (0.4, 30.0), (0.7, 40.0)], strict=True):
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, values)
    assert results.document(sweep)["best"] == [3, 1, 0]
    page = results.publish(sweep).read_text()
    assert "3 trials are beaten by no other in val/AP and cost/latency" in page and "pareto" in page


def test_axes_put_values_where_they_belong() -> None:
    log = sweep_charts.Axis("lr", (), 1e-4, 1.0, True)
    assert [log.place(v) for v in (1e-4, 1e-2, 1.0)] == pytest.approx([0, 0.5, 1])
    choice = sweep_charts.Axis("kind", ("a", "b"))
    assert (choice.place("a"), choice.place("b")) == (0.25, 0.75)
    assert sweep_charts.shades([3.0, 1.0, 2.0], True) == [1, 0, 0.5] and sweep_charts.shades([3.0, 1.0], False) == [
        0,
        1,
    ]
    outlier = sweep_charts.objective_axis("v", [1.0, 1.1, 1.2, 1.3, 1.4, -1000.0])
    assert outlier.low > 0 and outlier.place(-1000.0) == 0
    flat = sweep_charts.objective_axis("v", [2.0, 2.0])
    assert flat.low < 2 < flat.high


def test_the_table_says_what_every_trial_does(sweep: SweepFolder) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(status.table(sweep, results.rows(sweep)))
    lines = console.export_text().splitlines()
    assert any(re.match(r"\s+5\s+pruned", line) for line in lines)
    assert any(re.match(r"\s+7\s+failed", line) for line in lines)
    assert sum(bool(re.match(r"\s+\d+\s+complete", line)) for line in lines) == 24
    assert any("trial 7 exit 1" in line for line in lines)


def test_time_is_of_all_attempts_and_the_job_is_named(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=2)
    for trial in sweep.trials():
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        sweep.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    claims = {"0000.001": (0.0, 150.0, "7_0"), "0000.002": (1000.0, 1001.0, "7_1"), "0001.001": (0.0, 20.0, "7_1")}
    for name, (begin, end, job) in claims.items():
        said = {"host": "vm", "slurm": {"job": job, "node": f"n{job[-1]}"}, "state": "finished"}
        (sweep.path / "claims" / f"{name}.json").write_text(json.dumps(said | {"start": begin, "end": end}))
    assert [(row["seconds"], row["host"], row["job"]) for row in results.rows(sweep)] == [
        (151.0, "n1", "7_1"),
        (20.0, "n1", "7_1"),
    ]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(status.table(sweep, results.rows(sweep)))
    text = console.export_text()
    assert re.search(r"host\s+job\s+time", text) and re.search(r"n1\s+7_1\s+2 min 31 s", text)
    assert "time is that of all attempts" in text
    page = results.publish(sweep).read_text()
    assert "time, all attempts" in page and "n1 <small>job 7_1</small>" in page and "2 min 31 s" in page


@pytest.mark.slow
def test_on_a_terminal_the_table_lives_until_the_sweep_ends(tmp_path: Path) -> None:
    sweep = made(tmp_path, "seconds=0.2", trials=2)
    shown = io.StringIO()
    worker = start(sweep)
    status.show(sweep, 0.2, Console(force_terminal=True, width=150, file=shown))
    assert worker.wait(20) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert "running" in text and "2 more wait" in text and text.count("trial   state") > 3
    assert len(re.findall(r"\n\s+[01]\s+complete\s+4/4", text)) >= 2


def test_status_and_stop_from_the_command_line(sweep: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "status", str(sweep.path)]) == 0
    assert "pruned" in capsys.readouterr().out
    assert cli.main(["sweep", "stop", str(sweep.path), "after=trial"]) == 0
    assert sweep.asked_to_stop() == "trial"
    assert cli.main(["sweep", "status", str(sweep.path)]) == 0
    assert "asked to stop (trial)" in capsys.readouterr().out
    sweep.stop.unlink()
    assert cli.main(["sweep", "stop", str(sweep.path), "after=lunch"]) == 2
    assert cli.main(["sweep", f"resume={sweep.path}", "optimizer=sgd", "workers=0"]) == 2
    assert "trials would not compare" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_works_in_a_browser(sweep: SweepFolder, tmp_path: Path) -> None:
    page = results.publish(sweep)
    for width in (1280, 420):
        with chromium(tmp_path / str(width), width) as driver:
            driver.get(page.as_uri())
            assert complaints(driver) == []
            assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            driver.find_elements("css selector", "#trial-table th.sort")[4].click()
            first = driver.find_element("css selector", "#trial-table tbody tr").get_attribute("class")
            assert first == "complete first"
            driver.find_element("css selector", "input[data-filter]").send_keys("pruned")
            shown = [r for r in driver.find_elements("css selector", "#trial-table tbody tr") if r.is_displayed()]
            assert len(shown) == 5
