"""What is printed while a run trains, on a terminal and in a log file."""

import io
import re
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import fit, fresh

from armature.callbacks.progress import ProgressLine, _losses
from armature.callbacks.throughput import Throughput


def watched(tmp_path, terminal, module=None, epochs=2, resume=False, **options):
    text, rates = io.StringIO(), Throughput(skip=0)
    console = Console(file=text, force_terminal=terminal, width=120, highlight=False)
    line = ProgressLine(rates, console, **options)
    fit(tmp_path, module or fresh(score=[0.25, 0.5, 0.4].__getitem__), epochs, resume, callbacks=[rates, line])
    return text.getvalue()


def test_a_log_file_gets_plain_lines(tmp_path):
    text = watched(tmp_path, terminal=False)
    assert "\x1b" not in text and "\r" not in text
    epoch, validation, last, second = text.splitlines()
    assert validation.startswith("val 1") and "0.250" in validation and "(+" not in validation
    assert re.fullmatch(r"epoch 1/2  loss \d+\.\d{3}  \d+ images/s  \d+\.\d s left", epoch), epoch
    assert second.startswith("val 2") and "0.500 (+0.250)" in second
    assert last.startswith("epoch 2/2") and "0.0 s left" in last


def test_long_epochs_give_signs_of_life(tmp_path):
    text = watched(tmp_path, terminal=False, epochs=1, plain_every=0.0)
    lines = [line.split("  ")[0] for line in text.splitlines()]
    assert lines[:6] == [*(f"epoch 1/1 batch {i}/6" for i in range(1, 6)), "epoch 1/1"]


def test_a_terminal_gets_a_bar(tmp_path):
    module = fresh(score=[0.25, 0.5].__getitem__, seconds=0.05)  # the bar is drawn four times a second
    text = watched(tmp_path, terminal=True, every=0.0, module=module)
    assert "epoch 1/2" in text and "images/s" in text and "left" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = [line for line in plain.splitlines() if line.startswith("val ")]
    assert len(lines) == 2 and "0.500 (+0.250)" in lines[1]


def test_the_change_is_known_after_a_resume(tmp_path):
    watched(tmp_path, terminal=False)
    text = watched(tmp_path, terminal=False, epochs=3, resume=True)
    assert text.splitlines()[0] == "goes on in epoch 3/3"
    assert "0.400 (-0.100)" in text.splitlines()[2].replace("\N{MINUS SIGN}", "-")


def test_the_losses_of_an_epoch_and_of_a_validation_are_means(tmp_path):
    module = fresh(score=[0.1, 0.2].__getitem__)
    losses = []
    module.on_batch = lambda module, batch_idx: losses.append(float(module.losses.get("train/total", "nan")))
    text = watched(tmp_path, terminal=False, module=module, epochs=1)
    losses.append(float(module.losses["train/total"]))
    mean = sum(losses[1:]) / 6  # the loss of a step is there when the next begins
    for line in text.splitlines():
        assert float(re.search(r"loss ([\d.]+)", line)[1]) == pytest.approx(mean, abs=5e-4), line


def test_losses_in_words():
    losses = {"train/center": torch.tensor(0.41), "train/size": torch.tensor(12.3456), "train/total": torch.tensor(2.0)}
    assert _losses(losses) == "loss 2.000 (center 0.41 size 12.3)"
    assert _losses({"train/fit": torch.tensor(1.0), "train/total": torch.tensor(2.0)}) == "loss 2.000"
    assert _losses({}) == ""
