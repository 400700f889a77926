"""The journal survives writers that were killed, and a database does as well."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from armature.errors import ConfigError
from armature.sweeping.storage import open_storage


@pytest.mark.parametrize("torn", [1, 15, 40])
def test_a_torn_last_line_is_cut_off_by_the_next_writer(tmp_path: Path, torn: int) -> None:
    file = tmp_path / "journal.log"
    study = optuna.create_study(storage=open_storage(f"journal:{file}"), study_name="s")
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    whole = file.read_bytes()
    file.write_bytes(whole[:-torn])
    again = optuna.load_study(storage=open_storage(f"journal:{file}"), study_name="s")
    again.tell(again.ask(), 2.0)
    third = optuna.load_study(storage=open_storage(f"journal:{file}"), study_name="s")
    assert [t.value for t in third.trials if t.state.is_finished()].count(2.0) == 1
    kept = whole[:-torn][: whole[:-torn].rfind(b"\n") + 1]
    assert file.read_bytes().startswith(kept) and file.read_bytes().endswith(b"\n")


def test_without_the_mending_a_torn_line_spoils_the_journal(tmp_path: Path) -> None:
    """What the class is for; should Optuna mend it itself one day, this fails and the class can go."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(file))), study_name="s")
    study.tell(study.ask(), 1.0)
    file.write_bytes(file.read_bytes()[:-15])
    with pytest.raises(Exception, match=r".*"):
        for _ in range(2):
            again = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(file))), study_name="s")
            again.tell(again.ask(), 2.0)
            again.tell(again.ask(), 2.0)


def test_a_database_that_cannot_be_opened_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_storage("nosuch://host/base")
