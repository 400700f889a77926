"""Two jobs never write one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armature.errors import UserError
from armature.launching import states, submission
from armature.launching.states import Answer


def test_a_run_whose_job_lives_gets_no_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"7": "PENDING (BeginTime)", "8": "CANCELLED"}
    monkeypatch.setattr(states, "ask", lambda jobs: Answer(answers))
    submission._refuse_two(tmp_path)  # trained here before, not as a job
    for job in ("8", "9"):
        (tmp_path / "slurm.json").write_text(json.dumps({"job": job}))
        submission._refuse_two(tmp_path)
    (tmp_path / "slurm.json").write_text(json.dumps({"job": "7"}))
    with pytest.raises(UserError, match=r"job 7 is PENDING .* scancel 7 first"):
        submission._refuse_two(tmp_path)
