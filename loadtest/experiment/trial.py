"""One run against the reference server and its log of the truth."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import msgspec
import psutil
from msgspec import Struct

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.selftest import Level, level
from loadtest.analysis.values import Verdict
from loadtest.errors import LoadtestError, NothingMeasured
from loadtest.experiment.disturbance import Disturb
from loadtest.experiment.run import Load, under_way
from loadtest.experiment.server import reference_server
from loadtest.runs.folder import LATEST, SUMMARY
from loadtest.runs.reader import RunReader
from loadtest.runs.truth import read_truth

SPAWN_S: Final = 2.0
"""All users of a trial are asked for within this many seconds, where it does not say."""
SETTLE_S: Final = 1.0
"""The last of them connect within this time more: what is sent until then is in no percentile."""
PATIENCE_S: Final = 60.0
"""How much longer than its run time a trial may take before it is broken off."""


class Trial(Struct, frozen=True):
    """What to measure.

    Attributes:
        users: virtual users, all within the limit.
        message_rate: of each, as the option takes it.
        seconds: of load that is measured, once all users are there.
        answers: options of `serve` for how the AI answers.
        spawn_s: all users are asked for within this many seconds.
        locustfile: path, or the name of one that we bring.
        environment: further variables of the generator.
        disturbance: what is done to the generator, in words; empty for nothing.
        disturb: what does it, as far as the locustfile does not.
    """

    users: int
    message_rate: str
    seconds: float
    answers: Sequence[str] = ()
    spawn_s: float = SPAWN_S
    locustfile: str = "chat"
    user_class: str = "WithinLimitUser"
    environment: Mapping[str, str] = {}
    disturbance: str = ""
    disturb: Disturb = nullcontext  # type: ignore[assignment]  # a context for any value

    @property
    def warm_up_s(self) -> float:
        """Seconds until all users are there and settled."""
        return self.spawn_s + SETTLE_S


class _Summary(Struct):
    """What is read of `summary.json`."""

    verdict: Verdict


def attempt(trial: Trial, folder: Path) -> Level:
    """Run a trial to its end, and hold it against the truth.

    Args:
        folder: made; keeps the run, the server's truth and what the run printed.

    Raises:
        LoadtestError: the server did not start.
        NothingMeasured: the run left nothing to read.
    """
    folder.mkdir(parents=True)
    truth, console = folder / "truth.jsonl", folder / "console.txt"
    options = ["--rate-limit", "none", "--truth-file", str(truth), *trial.answers]
    with reference_server(options) as server, console.open("wb") as printed:
        server_process = psutil.Process(server.pid)
        began, cpu_before = time.monotonic(), _cpu_s(server_process)
        load = _load(trial, server.url, server.jwt_secret, folder)
        with under_way(load, printed) as process, trial.disturb(process):
            _wait(process, trial.seconds + trial.warm_up_s + PATIENCE_S)
        server_cpu = (_cpu_s(server_process) - cpu_before) / (time.monotonic() - began)
    return _judged(trial, folder, truth, console, server_cpu)


def _load(trial: Trial, url: str, secret: str, folder: Path) -> Load:
    return Load(
        host=url,
        users=trial.users,
        spawn_rate=max(trial.users / trial.spawn_s, 1.0),
        run_time=trial.seconds + trial.warm_up_s,
        locustfile=trial.locustfile,
        classes=(trial.user_class,),
        options=(
            f"--results={folder}",
            f"--warmup={trial.warm_up_s:g}s",
            "--rate-limit=none",
            f"--message-rate={trial.message_rate}",
        ),
        secrets={"LOADTEST_JWT_SECRET": secret, **trial.environment},
    )


def _wait(process: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        raise LoadtestError(f"a run did not end within {patience_s:g} s; it was broken off") from None


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _judged(trial: Trial, folder: Path, truth: Path, console: Path, server_cpu: float) -> Level:
    try:
        with RunReader(folder / LATEST) as run:
            measured, message_ids = Measured(load(run)), run.message_ids()
            verdict = msgspec.json.decode((run.folder / SUMMARY).read_bytes(), type=_Summary).verdict
    except (LoadtestError, OSError, msgspec.MsgspecError):
        raise NothingMeasured(f"a run of {trial.users:,} users left nothing to measure; {console} says why") from None
    return level(
        measured, read_truth(truth, message_ids), verdict, server_cpu=server_cpu, disturbance=trial.disturbance
    )
