"""Stands in for ``armature train`` where a real training would take too long: the same files, in milliseconds.

The objective has its best at x = 2; ``--crash FILE`` makes it die once at epoch 2 of the trial whose number the file
has, ``--seconds`` is how long an epoch takes.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def value(given: dict[str, str], epoch: int) -> float:
    x, seed = float(given.get("x", 0)), int(given["seed"])
    extra = {"good": 0.0, "bad": 1.0}.get(given.get("kind", "good"), 0.0) + float(given.get("y", 0)) * 0.1
    return 10 - (x - 2) ** 2 - extra - 3 / epoch + seed * 1e-3


def main() -> int:
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if "resume" in given:
        run = Path(given["resume"])
        given = json.loads((run / "given.json").read_text()) | {"resumed": "1"}
    else:
        run = Path(given["runs"]) / given["name"] / os.environ["ARMATURE_RUN_ID"]
        run.mkdir(parents=True, exist_ok=True)
        (run / "given.json").write_text(json.dumps(given))
    if given.get("refuse"):
        print("error: this config cannot be")
        return 2
    epochs = int(given.get("epochs", 4))
    (run / "config.yaml").write_text(f"trainer: {{max_epochs: {epochs}}}\n")
    (run / "provenance.json").write_text(json.dumps({"segments": [{"status": "running"}]}))
    state = run / "state"
    done = int(state.read_text()) if state.is_file() else 0
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    with (run / "starts").open("a") as file:
        file.write(f"{done}\n")
    for epoch in range(done + 1, epochs + 1):
        until = time.monotonic() + float(given.get("seconds", 0))
        while time.monotonic() < until and not stopped:
            time.sleep(0.01)
        if stopped:
            return 143
        crash = Path(given["crash"]) if given.get("crash") else None
        if crash and crash.is_file() and epoch == 2 and crash.read_text() == run.name:
            crash.unlink()
            raise RuntimeError("a made-up crash")
        rows = [f"{e},{value(given, e)}" for e in range(1, epoch + 1)]
        temporary = run / ".history"
        temporary.write_text("\n".join(["epoch,val/AP", *rows]) + "\n")
        temporary.rename(run / "history.csv")
        state.write_text(str(epoch))
    (run / "metrics.json").write_text(json.dumps({"metrics": {"val/AP": value(given, epochs), "val/nan": None}}))
    (run / "provenance.json").write_text(json.dumps({"segments": [{"status": "finished"}]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
