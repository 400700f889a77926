"""Bad news, passed on before anything else is done about it."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl


class Herald(pl.Callback):
    """Tells of an exception before Lightning takes the run apart, which other processes would only see the end of.

    Args:
        tell: called with the exception.
    """

    def __init__(self, tell: Callable[[BaseException], None]) -> None:
        self.tell = tell

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.tell(exception)
