"""How many guide users one core of the generator drives with a p99 that is right to 1 ms.

A guide user sends 8 messages a minute and is answered in 40 chunks. The error is that of `loadtest selftest` and
benchmarks/accuracy (`loadtest.analysis.accuracy`): the p99 that the run reports, less the p99 of the same messages by
the log of the server, which writes down when it wrote each frame on the clock that both share; of ack and of first
token, whichever is further off. A level holds where the run calls itself valid, the error is at most 1 ms, and the
frames of so many users did come: a server that is behind sends fewer. How late its answers ended is shown beside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import trustme
from msgspec import Struct

from benchmarks.scale.runs import two_cores
from loadtest.analysis.promise import ERROR_MS, PROMISED
from loadtest.analysis.selftest import Level
from loadtest.errors import LoadtestError
from loadtest.experiment.trial import Trial, attempt
from loadtest.report.units import DASH, milliseconds

MESSAGE_RATE: Final = "8/60s"
TTFT_MS, GAP_MS, CHUNKS = 400, 25, 40
ANSWERS: Final = ("--ttft", f"{TTFT_MS}ms", "--gap", f"{GAP_MS}ms", "--chunks", str(CHUNKS))
"""Constant: each answer has 40 chunks, and completes 1,375 ms after its message was delivered."""
COMPLETE_MS: Final = TTFT_MS + GAP_MS * (CHUNKS - 1)
FRAMES: Final = CHUNKS + 4
"""Of a message: two acks, the message itself, the chunks and a completion."""
CAME: Final = 0.95
"""Share of these that has to come; at the edges of the window an answer may lie half outside."""
TRIES: Final = 2
"""A single run that does not hold may be a moment in which the machine had something else to do."""


class Scheme(Struct, frozen=True):
    """One way to connect, and the levels that are tried on it.

    Attributes:
        levels: users, ascending.
        aim: users that are to be reached.
        spawn_rate: connections a second; a TLS handshake takes both sides a millisecond or two.
    """

    name: str
    levels: tuple[int, ...]
    aim: int
    spawn_rate: float


FULL: Final = (
    Scheme("ws", (1_000, 2_000, 3_000, 4_000), 3_000, 500.0),
    Scheme("wss", (1_000, 2_000, 3_000), 2_000, 250.0),
)
SHORT: Final = (Scheme("ws", (200, 400), 400, 500.0), Scheme("wss", (200,), 200, 250.0))


class Run(Struct, frozen=True):
    """One run of a level.

    Attributes:
        why_not: what speaks against this level; empty where it holds.
        generator_cpu: cores that the generator kept busy in the steady window.
        server_cpu: the server's, from the start of the run to its end.
        true_ms, error_ms: p99 by metric, by the server's log, and what the tool reported beyond it; None below the
            sample floor.
        server_late_ms: p99 of completion by the server's log, beyond its plan.
    """

    users: int
    why_not: list[str]
    messages_per_s: float | None = None
    frames_per_s: float | None = None
    generator_cpu: float | None = None
    server_cpu: float | None = None
    verdict: str = ""
    true_ms: dict[str, float | None] = {}
    error_ms: dict[str, float | None] = {}
    server_late_ms: float | None = None

    @property
    def holds(self) -> bool:
        return not self.why_not


def guide(schemes: Iterable[Scheme], seconds: float) -> dict[str, Any]:
    """Climb the levels of each scheme, each run with so many seconds of load; prints a line for each."""
    print(HEADER, flush=True)
    found: dict[str, Any] = {}
    with two_cores(), tempfile.TemporaryDirectory(prefix="guide-") as scratch:
        for scheme in schemes:
            folder = Path(scratch, scheme.name)
            folder.mkdir()
            runs = []
            for run in climb(scheme.levels, _Runs(scheme, seconds, folder)):
                runs.append(run)
                print(line(scheme.name, run), flush=True)
            found[scheme.name] = conclusion(scheme, runs)
    return {"message_rate": MESSAGE_RATE, "chunks": CHUNKS, "seconds": seconds, **found}


def climb(levels: Iterable[int], run: Callable[[int], Run]) -> Iterator[Run]:
    """Level by level until one does not hold, nor when tried once more."""
    for users in levels:
        for _ in range(TRIES):
            found = run(users)
            yield found
            if found.holds:
                break
        else:
            return


class _Runs:
    """Runs of one scheme, numbered."""

    def __init__(self, scheme: Scheme, seconds: float, folder: Path) -> None:
        self._scheme, self._seconds, self._folder = scheme, seconds, folder
        self._served, self._trusted = certificate(folder) if scheme.name == "wss" else ((), {})
        self._count = 0

    def __call__(self, users: int) -> Run:
        self._count += 1
        trial = Trial(
            users=users,
            message_rate=MESSAGE_RATE,
            seconds=self._seconds,
            answers=(*ANSWERS, *self._served),
            spawn_s=max(users / self._scheme.spawn_rate, 1.0),
            environment=self._trusted,
        )
        try:
            return run_of(attempt(trial, self._folder / str(self._count)))
        except LoadtestError as error:
            return Run(users, why_not=[str(error)])


def certificate(folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """A certificate for this machine: the server's options that name it, and the generator's variable to trust it."""
    authority = trustme.CA()
    cert, key, trusted = (str(folder / name) for name in ("cert.pem", "key.pem", "authority.pem"))
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(cert)
    made.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    return ("--cert", cert, "--key", key), {"LOADTEST_CA_FILE": trusted}


def run_of(level: Level) -> Run:
    """What a run against the truth says of its level."""
    metrics = level.accuracy.metrics if level.accuracy else {}
    p99 = {key: metrics[key].percentiles["p99"] for key in metrics}
    true_ms = {key: error.true_ms if error else None for key, error in p99.items()}
    error_ms = {key: error.error_ms if (error := p99.get(key)) else None for key in PROMISED}
    completion = true_ms.get("stream_completion")
    return Run(
        users=level.users,
        why_not=[*_verdict_against(level), *_error_against(level, error_ms), *_server_against(level)],
        messages_per_s=level.messages_per_s,
        frames_per_s=level.frames_per_s,
        generator_cpu=level.generator_cpu,
        server_cpu=level.server_cpu,
        verdict=level.verdict.status,
        true_ms=true_ms,
        error_ms=error_ms,
        server_late_ms=None if completion is None else completion - COMPLETE_MS,
    )


def _verdict_against(level: Level) -> Iterator[str]:
    if level.verdict.status != "valid":
        yield f"{level.verdict.status}: {'; '.join(level.verdict.reasons)}"


def _error_against(level: Level, error_ms: dict[str, float | None]) -> Iterator[str]:
    for key, error in error_ms.items():
        if error is None:
            yield f"{key}: too few messages for a p99"
        elif abs(error) > ERROR_MS:
            yield f"{key}: p99 is off by {milliseconds(error)}"
        elif level.accuracy and not level.accuracy.metrics[key].within:
            yield f"{key}: {level.accuracy.metrics[key].one_sided} replies that only one side knows of"


def _server_against(level: Level) -> Iterator[str]:
    planned = FRAMES * level.messages_per_s
    if level.frames_per_s < CAME * planned:
        yield f"the server is the limit: {level.frames_per_s:,.0f} of {planned:,.0f} frames a second"


def conclusion(scheme: Scheme, runs: Iterable[Run]) -> dict[str, Any]:
    """The largest level that holds, and whether that is the aim."""
    runs = list(runs)
    reached = max((run.users for run in runs if run.holds), default=0)
    return {"aim": scheme.aim, "reached": reached, "met": reached >= scheme.aim, "runs": msgspec.to_builtins(runs)}


HEADER: Final = (
    f"{'':4}{'users':>6}{'msg/s':>6}{'frames/s':>9}{'CPU':>6}{'server':>7}  {'ack p99':>8}{'error':>9}"
    f"  {'ttft p99':>8}{'error':>9}{'server late':>13}  why not"
)


def line(name: str, run: Run) -> str:
    """One run."""
    errors = "".join(f"  {_ms(run.true_ms.get(key)):>8}{_ms(run.error_ms.get(key)):>9}" for key in PROMISED)
    return (
        f"{name:4}{run.users:6,}{_whole(run.messages_per_s):>6}{_whole(run.frames_per_s):>9}{_percent(run.generator_cpu):>6}"
        f"{_percent(run.server_cpu):>7}{errors}{_ms(run.server_late_ms):>13}  {'; '.join(run.why_not)}"
    ).rstrip()


def _ms(value: float | None) -> str:
    return milliseconds(None if value is None else round(value, 3))


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.0f} %"
