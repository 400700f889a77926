"""Rates and time split against a clock that only moves when the test says so."""

import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import Data, Module, fit, fresh

from armature.callbacks.throughput import Throughput
from armature.clock import Clock


class Time:
    """A clock that stands still."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += seconds


class SlowRows(torch.utils.data.Dataset):
    """Each row takes half a second of the test's time to read."""

    def __init__(self, clock, length):
        self.clock, self.length = clock, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.clock.pass_(0.5)
        return torch.tensor(float(index))


class SlowData(Data):
    def __init__(self, clock, rows=12):
        super().__init__(rows)
        self.clock = clock

    def train_dataloader(self):
        loader = super().train_dataloader()
        return type(loader)(SlowRows(self.clock, self.rows), batch_size=2, sampler=loader.sampler)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(SlowRows(self.clock, 6), batch_size=2)


class Slow(Module):
    """A step takes 3 s, of which 1 s is timed by the module itself; a validation step 2 s, its end 4 s."""

    def __init__(self, time, clock):
        super().__init__()
        self.time, self.clock = time, clock

    def add(self, name, seconds):
        self.time.pass_(seconds)
        self.clock.seconds[name] += seconds

    def training_step(self, batch, batch_idx):
        self.add("encode", 1.0)
        self.time.pass_(2.0)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.add("network", 1.5)
        self.add("decode", 0.5)

    def on_validation_epoch_end(self):
        self.add("evaluation", 4.0)
        super().on_validation_epoch_end()


def slow(**options):
    time, clock = Time(), Clock()
    torch.manual_seed(0)
    return Slow(time, clock), SlowData(time), Throughput(clock, now=time, **options)


def test_rates_and_split(tmp_path):
    module, data, measure = slow(skip=0)
    fit(tmp_path, module, 1, data=data, callbacks=[measure])
    # 6 batches of 2: 1 s of reading and 3 s of work each
    assert measure.rates["throughput/images_per_second"] == pytest.approx(12 / 24)
    assert measure.rates["throughput/data_wait"] == pytest.approx(0.25)
    # validation: 3 batches of 2, 1 s of reading each
    assert measure.split() == {
        "data": 9.0,
        "network": 12.0 + 4.5,
        "encode": 6.0,
        "decode": 1.5,
        "evaluation": 4.0,
        "total": 9.0 + 18.0 + 6.0 + 4.0,
    }


def test_the_first_steps_are_left_out_of_the_rates(tmp_path):
    module, data, measure = slow(skip=4)
    step = module.training_step

    def training_step(batch, batch_idx):
        if module.global_step < 4:
            module.time.pass_(100.0)
        return step(batch, batch_idx)

    module.training_step = training_step
    fit(tmp_path, module, 1, data=data, callbacks=[measure])
    assert measure.rates["throughput/images_per_second"] == pytest.approx(4 / 8)
    assert measure.split()["network"] == pytest.approx(416.5)


def test_validation_within_an_epoch_is_no_training_time(tmp_path):
    module, data, measure = slow(skip=0)
    fit(tmp_path, module, 1, data=data, callbacks=[measure], val_check_interval=2)
    assert measure.rates["throughput/images_per_second"] == pytest.approx(12 / 24)


def test_the_split_goes_on_after_a_resume(tmp_path):
    module, data, measure = slow(skip=0)
    fit(tmp_path, module, 1, data=data, callbacks=[measure])
    module, data, again = slow(skip=0)
    fit(tmp_path, module, 2, data=data, callbacks=[again], resume=True)
    for name, seconds in measure.split().items():
        if name not in ("evaluation", "total"):
            assert again.split()[name] == pytest.approx(2 * seconds), name


def test_the_module_s_own_clock_is_used(tmp_path):
    module = fresh()
    module.clock = Clock()
    fit(tmp_path, module, 1, callbacks=[Throughput()])
    assert {"data", "network", "total"} <= set(module.clock.seconds)


@pytest.mark.slow
def test_against_the_real_clock(tmp_path):
    """Reading 10 ms, work 10 ms: half of the time is waiting."""
    measure = Throughput(skip=2)
    module = fresh(seconds=0.02)
    begun = time.perf_counter()
    fit(tmp_path, module, 1, data=Data(40, 2, 0.01), callbacks=[measure])
    assert time.perf_counter() - begun > 0.8
    assert 0.3 < measure.rates["throughput/data_wait"] < 0.6
    assert 20 < measure.rates["throughput/images_per_second"] < 50
