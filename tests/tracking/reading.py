"""What an offline run has left, read by a reader that shares nothing with the project's own."""

import json
import struct
import time

BLOCK = 32768


def records(path):
    """The protocol messages in a ``.wandb`` file: a LevelDB log, 7 bytes of header, blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, message = path.read_bytes(), 7, b""
    assert data[:4] in (b":W&B", b"")
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:  # too short for a header: padding
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if at + 7 + length > len(data):  # torn
            return
        message += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(message)
            yield record
            message = b""


def values(items):
    found = {}
    for item in items:
        keys = list(item.nested_key) or [item.key]
        inner = found
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = json.loads(item.value_json)
    return found


class Offline:
    """What an offline run left."""

    def __init__(self, file):
        self.file, self.config, self.summary, self.rows, self.axes, self.exit = file, {}, {}, [], {}, None
        for record in records(file):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self.config |= values(record.run.config.update)
            elif kind == "config":
                self.config |= values(record.config.update)
            elif kind == "summary":
                self.summary |= values(record.summary.update)
            elif kind == "history":
                self.rows.append(values(record.history.item) | {"_step": record.history.step.num})
            elif kind == "metric":
                self.axes[record.metric.glob_name or record.metric.name] = record.metric.step_metric
            elif kind == "exit":
                self.exit = record.exit.exit_code

    def column(self, name):
        return [(row["_step"], row.get("epoch"), row[name]) for row in self.rows if name in row]


def offline_runs(folder):
    """What lies in ``folder``, once the client has written the end of the last run."""
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    end = time.monotonic() + 10
    while files and Offline(files[-1]).exit is None and time.monotonic() < end:
        time.sleep(0.05)
    return [Offline(file) for file in files]


def only_run(folder):
    (run,) = offline_runs(folder)
    return run
