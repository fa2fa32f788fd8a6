"""The self-test: rising load on a server that knows the truth, and one level again with a disturbed generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from loadtest.analysis.selftest import Level, Selftest, conclude
from loadtest.experiment.disturbance import stopping
from loadtest.experiment.trial import Trial, attempt
from loadtest.runs.folder import LATEST
from loadtest.runs.reader import RunReader

USERS: Final = (200, 400, 800, 1200, 1600)
"""At a message every two seconds, of 34 frames each, the last is more than one core can take."""
MESSAGE_RATE: Final = "30/60s"
ANSWERS: Final = ("--ttft", "200ms", "--gap", "20ms", "--chunks", "30")
"""Constant, so that levels differ in load alone and machines can be compared."""
SATURATED: Final = 0.95
"""A server that keeps this share of its core busy serves no more, however many users come."""
IN_A_ROW: Final = 2
STOP_S: Final = 0.1
STOP_EVERY_S: Final = 0.5

Progress = Callable[[str], None]


def selftest(users: Sequence[int], level_s: float, folder: Path, progress: Progress) -> Selftest:
    """Measure level by level until two in a row do not hold or the server is full, then the disturbed one.

    A single level that does not hold may be a moment in which the machine had something else to do.

    Args:
        users: of each level, ascending.
        level_s: seconds of load of each level.
        folder: exists; keeps each run in a folder of its own.
        progress: told what begins, and what it came to.

    Raises:
        LoadtestError: the server did not start, or a run left nothing.
    """
    levels = []
    for number in users:
        progress(f"{number:,} users ...")
        levels.append(attempt(_trial(number, level_s), folder / f"{number}-users"))
        if _enough(levels):
            break
    number = _to_disturb(levels)
    progress(f"{number:,} users, the generator stopped for 100 ms twice a second ...")
    disturbed = attempt(_disturbed(number, level_s), folder / f"{number}-users-disturbed")
    return conclude(levels, [disturbed], _generator(folder / f"{levels[0].users}-users"))


def _enough(levels: Sequence[Level]) -> bool:
    full = (levels[-1].server_cpu or 0.0) >= SATURATED
    return full or (len(levels) >= IN_A_ROW and not any(level.holds for level in levels[-IN_A_ROW:]))


def _trial(users: int, level_s: float) -> Trial:
    return Trial(users, MESSAGE_RATE, level_s, ANSWERS)


def _disturbed(users: int, level_s: float) -> Trial:
    return Trial(
        users,
        MESSAGE_RATE,
        level_s,
        ANSWERS,
        disturbance="stopped for 100 ms twice a second",
        disturb=stopping(STOP_S, STOP_EVERY_S),
    )


def _to_disturb(levels: Sequence[Level]) -> int:
    """The middle one of those that hold: what goes wrong there is the disturbance's doing."""
    holding = [level.users for level in levels if level.holds] or [levels[0].users]
    return holding[len(holding) // 2]


def _generator(folder: Path) -> dict[str, str | int | float | None]:
    with RunReader(folder / LATEST) as run:
        return run.info.generator
