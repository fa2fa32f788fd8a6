"""The values of `selftest.json`, schema 1: what the tool measured of a server that knows the truth, level by level.

Fields are added, never renamed or removed, within a schema number.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from loadtest.analysis.accuracy import Accuracy, accuracy
from loadtest.analysis.measured import Measured
from loadtest.analysis.values import Verdict
from loadtest.runs.truth import Truth

SCHEMA: Final = 1
BUSY: Final = 0.9
"""Share of a core from which on a process is called the limit of a level."""


class Judgement(StrEnum):
    """A run's own verdict beside what it did."""

    OK = "ok"
    """Valid, and the promised percentiles are within what is allowed."""
    CAUGHT = "caught"
    """Beyond, and not called valid."""
    BROKEN = "BROKEN"
    """Called valid, and yet beyond: a fault of the tool."""
    CAUTIOUS = "cautious"
    """Within, and yet not called valid."""
    OPEN = "open"
    """Too few samples for a p99."""


class Level(Struct, frozen=True):
    """One run against the truth.

    Attributes:
        disturbance: what was done to the generator on purpose, in words; empty for nothing.
        users: virtual users.
        messages_per_s: sent in the steady window.
        frames_per_s: received in it.
        cpu_us_per_frame: CPU time of the generator a received frame, with all that it does; None without a frame.
        generator_cpu: cores that the generator kept busy in the window.
        server_cpu: cores that the server kept busy from the start of the run to its end.
        verdict: the run's own, which knows nothing of the truth.
        accuracy: None where nothing was measured.
        judgement: what to think of the verdict.
        folder: of the run.
    """

    disturbance: str
    users: int
    messages_per_s: float
    frames_per_s: float
    cpu_us_per_frame: float | None
    generator_cpu: float | None
    server_cpu: float | None
    verdict: Verdict
    accuracy: Accuracy | None
    judgement: Judgement
    folder: str

    @property
    def holds(self) -> bool:
        """Whether this load can be measured."""
        return self.judgement is Judgement.OK

    @property
    def limited_by(self) -> str | None:
        """`generator`, `server` or both, where they had no core to spare."""
        busy = (("generator", self.generator_cpu), ("server", self.server_cpu))
        return " and ".join(name for name, share in busy if share is not None and share >= BUSY) or None


class Selftest(Struct, frozen=True):
    """What this machine can measure.

    Attributes:
        generator: machine, cores, system and versions, as runs record them.
        promise: what is compared, in words.
        levels: by rising load, until two in a row do not hold or the server has no core to spare.
        disturbed: the same for a generator that was disturbed on purpose.
        max_users, max_messages_per_s, max_frames_per_s: of the largest level that holds; None without one.
        fails_at_users: of the first larger level that did not hold; None where the largest did.
        limited_by: who had no core to spare at the last level; None for neither.
    """

    schema: int
    generator: dict[str, str | int | float | None]
    promise: str
    levels: list[Level]
    disturbed: list[Level]
    max_users: int | None
    max_messages_per_s: float | None
    max_frames_per_s: float | None
    fails_at_users: int | None
    limited_by: str | None

    @property
    def runs(self) -> list[Level]:
        """All of them."""
        return [*self.levels, *self.disturbed]

    @property
    def broken(self) -> list[Level]:
        """Runs that were called valid and are wrong."""
        return [level for level in self.runs if level.judgement is Judgement.BROKEN]


PROMISE: Final = "error of p99 of ack and first token within the larger of 1 ms and 1 %"


def level(
    measured: Measured, truth: Truth, verdict: Verdict, *, server_cpu: float | None, disturbance: str = ""
) -> Level:
    """What one run of one process came to.

    Args:
        truth: of each message of the run, in the run's order.
        verdict: as in the run's `summary.json`.
        server_cpu: cores that the server kept busy.
        disturbance: what was done to the generator, in words.
    """
    window, records = measured.window, measured.records
    samples = [sample for sample in records.health if window.start_ns < sample.at_ns <= window.stop_ns]
    frames, seconds = sum(s.frames for s in samples), sum(s.interval_ns for s in samples) / 1e9
    cpu_ns = sum(s.cpu_ns for s in samples)
    found = accuracy(measured, truth)
    return Level(
        disturbance=disturbance,
        users=records.info.users or 0,
        messages_per_s=float(measured.headline.sum()) / window.seconds if window.seconds else 0.0,
        frames_per_s=frames / seconds if seconds else 0.0,
        cpu_us_per_frame=cpu_ns / frames / 1e3 if frames else None,
        generator_cpu=cpu_ns / 1e9 / seconds if seconds else None,
        server_cpu=server_cpu,
        verdict=verdict,
        accuracy=found if any(metric.count for metric in found.metrics.values()) else None,
        judgement=judge(verdict, found),
        folder=records.folder,
    )


def judge(verdict: Verdict, found: Accuracy) -> Judgement:
    """What to think of a verdict, given the truth."""
    if not found.measured:
        return Judgement.OPEN
    if verdict.status == "valid":
        return Judgement.OK if found.within else Judgement.BROKEN
    return Judgement.CAUTIOUS if found.within else Judgement.CAUGHT


def conclude(
    levels: Sequence[Level], disturbed: Sequence[Level], generator: dict[str, str | int | float | None]
) -> Selftest:
    """The largest load that can be measured, and what stood against more."""
    best = next((each for each in reversed(levels) if each.holds), None)
    failed = next((each for each in levels if not each.holds and (best is None or each.users > best.users)), None)
    return Selftest(
        schema=SCHEMA,
        generator=generator,
        promise=PROMISE,
        levels=list(levels),
        disturbed=list(disturbed),
        max_users=best.users if best else None,
        max_messages_per_s=best.messages_per_s if best else None,
        max_frames_per_s=best.frames_per_s if best else None,
        fails_at_users=failed.users if failed else None,
        limited_by=levels[-1].limited_by if levels else None,
    )
