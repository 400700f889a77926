"""What standard error shows while pictures are answered."""

from __future__ import annotations

import sys
import time

from rich import progress as bars
from rich.console import Console

#: Seconds between two lines where there is no terminal.
_EVERY = 30.0


class Progress:
    """A bar with images/s, people and the time left; where standard error is no terminal, a line every half minute.

    Args:
        name: of the source. total: number of pictures, None where nobody knows. done: those answered before.
    """

    def __init__(self, name: str, total: int | None, done: int = 0, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.name, self.total, self._first = name, total, done
        self._begun = self._shown = time.monotonic()
        self._bar: bars.Progress | None = None
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            columns = (
                bars.TextColumn("{task.description}", markup=False),
                bars.BarColumn(bar_width=24),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[detail]}", style="dim"),
                bars.TimeRemainingColumn(),
            )
            self._bar = bars.Progress(*columns, console=self.console, transient=True, refresh_per_second=5)
            self._task = self._bar.add_task(name[-40:], total=total, completed=done, detail="")
            self._bar.start()

    def update(self, done: int, people: int) -> None:
        """``done`` pictures are answered, ``people`` were found on them."""
        now = time.monotonic()
        pace = (done - self._first) / max(now - self._begun, 1e-9)
        detail = f"{pace:.1f} images/s  {people} people"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, detail=detail)
        elif now - self._shown >= _EVERY:
            self._shown = now
            of = f"/{self.total}" if self.total else ""
            print(f"{self.name}: {done}{of}  {detail}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
