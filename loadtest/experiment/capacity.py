"""The search for a server's capacity: one run after the other, each a level, which can be broken off and resumed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from loadtest.analysis.capacity import (
    SCHEMA,
    Capacity,
    Level,
    LevelSummary,
    beyond_the_limiter,
    capacity,
    level,
    tried,
)
from loadtest.analysis.capacity_search import End, Step, Word, following
from loadtest.errors import LoadtestError, UsageError
from loadtest.experiment.build import listens
from loadtest.experiment.capacity_plan import Plan, Timing, lost_when
from loadtest.experiment.kept import last_line, read, write_whole
from loadtest.experiment.run import Load, under_way
from loadtest.runs.folder import LATEST, SUMMARY

STATE: Final = "capacity.json"
MAX_TIME: Final = "--max-time"
"""What limits a search that ran out of time."""
_PATIENCE_S: Final = 120.0
"""How much longer than planned a level may take before it is broken off."""
_LOOKS: Final = 3
"""For a server that may be too busy to be seen at once; each waits a second for it."""
_LOOK_EVERY_S: Final = 0.5


class Record(Capacity, frozen=True, kw_only=True):
    """`capacity.json`: what was found, and enough to go on where a search was broken off."""

    plan: Plan


class Begun(Struct, frozen=True):
    """A level that begins, whether one of so many users was run before, and how long it takes, about, with the rest."""

    step: Step
    again: bool
    expected_s: float


class Told(Struct, frozen=True):
    """What is known after a level; `left_s` is the rest of the time that there is."""

    level: Level
    left_s: float


Progress = Callable[[Begun | Told], None]


def new(plan: Plan) -> Record:
    """A search that has not begun."""
    return _record(plan, [], None, "")


def save(folder: Path, record: Record) -> None:
    """Keep the record, whole: whoever reads finds the old one or the new one.

    Raises:
        RunFolderError: it cannot be written.
    """
    write_whole(folder / STATE, record)


def restore(folder: Path) -> Record:
    """The record of a search.

    Raises:
        RunFolderError: there is none, it is damaged, or of a newer version.
    """
    return read(folder / STATE, Record, SCHEMA, "a capacity")


def carry_on(
    record: Record, folder: Path, url: str, secrets: Mapping[str, str], progress: Progress, max_time_s: float
) -> Record:
    """Run levels until the search has its end; the record is kept after each.

    A level that there may not be time for is not begun. What keeps a level from being run (the server is gone, fewer
    tokens than users) stops the search and stays in the record, with what was found until then.

    Args:
        folder: of the search.
        url: address of the server.
        secrets: environment variables of the runs.
    """
    plan, levels, deadline = record.plan, list(record.levels), time.monotonic() + max_time_s
    ended, stopped, was_there = None, "", listens(url)
    while ended is None and not stopped:
        left_s = deadline - time.monotonic()
        step = following(plan.range, tried(levels), partial(plan.fits, levels=levels, left_s=left_s))
        if isinstance(step, End):
            ended = str(step)
        elif not plan.fits(step, levels, left_s):
            ended = MAX_TIME
        else:
            try:
                again = any(each.users == step.users for each in levels)
                progress(Begun(step, again, plan.timing(step, levels).expected_s + (plan.rest_s if levels else 0.0)))
                found = _level(plan, step, levels, folder, url, secrets)
                if was_there and found.verdict is not Word.PASS:  # behind a proxy it never is
                    _check_still_there(url)
                levels.append(found)
                progress(Told(levels[-1], deadline - time.monotonic()))
            except LoadtestError as error:
                stopped = f"level of {step.users:,} users: {error}" if levels else str(error)
        record = _record(plan, levels, ended, stopped)
        save(folder, record)
    return record


def _record(plan: Plan, levels: list[Level], ended: str | None, stopped: str) -> Record:
    return Record(**msgspec.structs.asdict(capacity(levels, ended, stopped)), plan=plan)


def _level(
    plan: Plan, step: Step, levels: Sequence[Level], folder: Path, url: str, secrets: Mapping[str, str]
) -> Level:
    """Run one level to its end.

    Raises:
        UsageError: the run was refused, or left nothing.
        LoadtestError: it did not end, or the rate limit rejects what users send.
    """
    users, timing = step.users, plan.timing(step, levels)
    time.sleep(plan.rest_s if levels else 0.0)
    (folder / "logs").mkdir(exist_ok=True)
    console = folder / "logs" / f"{len(levels) + 1:02}-{users}-users.txt"
    before = _newest(folder)
    load = _load(plan, step, plan.first_of(levels), timing, folder, url, secrets)
    with console.open("wb") as printed, under_way(load, printed) as process:
        try:
            code = process.wait(timing.run_s + plan.reply_timeout_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise LoadtestError(f"a run did not end in time; it was broken off, and {console} says why") from None
    run = _newest(folder)
    if run is None or run == before or not (run / SUMMARY).is_file():
        raise UsageError(last_line(console))
    summary = _summary(run)
    check_load(summary)
    found = level(summary, users, run.name, step.times)
    if code == UsageError.exit_code and found.verdict is not Word.FAIL:
        raise UsageError(last_line(console))
    return found


def check_load(summary: LevelSummary) -> None:
    """Refuse a load that says nothing of so many users.

    Raises:
        UsageError: a shape decided on the users, or the rate limit rejected what they sent.
    """
    if summary.run.users is None:
        raise UsageError(
            "--locustfile: it has a shape, which decides on the users in place of the search; give one without"
        )
    rejected = beyond_the_limiter(summary)
    if rejected is not None:
        raise UsageError(
            f"--message-rate: the server's rate limit rejected {100 * rejected:.0f} % of the messages, so a search "
            "would measure the limiter; lower it, and leave out users who send at or above the limit"
        )


def _check_still_there(url: str) -> None:
    """Refuse to take a server that has ended for one that fails, or cannot be told, which no resumed search would look
    at again."""
    for _ in range(_LOOKS):
        if listens(url):
            return
        time.sleep(_LOOK_EVERY_S)
    raise UsageError(
        f"--host: nobody listens at {url} any more, so the level says nothing; start the backend, and find out whether "
        "this load ended it"
    )


def _load(
    plan: Plan, step: Step, first: int, timing: Timing, folder: Path, url: str, secrets: Mapping[str, str]
) -> Load:
    own = [
        f"--results={folder}",
        f"--seed={plan.seed}",
        f"--first-user={first}",
        f"--warmup={timing.warmup_s:g}s",
        f"--label=level={step.users}",
        f"--label=times={step.times:g}",
        *(f"--slo={text}" for text in plan.objectives),
        *(f"--abort-on={text}" for text in lost_when(plan.objectives)),
    ]
    return Load(
        host=url,
        users=step.users,
        spawn_rate=plan.spawn_rate,
        run_time=timing.run_s,
        processes=plan.processes,
        locustfile=plan.locustfile,
        classes=plan.classes,
        options=[*plan.options, *own],
        secrets=secrets,
    )


def _newest(folder: Path) -> Path | None:
    latest = folder / LATEST
    return latest.resolve() if latest.is_symlink() and latest.exists() else None


def _summary(run: Path) -> LevelSummary:
    try:
        return msgspec.json.decode((run / SUMMARY).read_bytes(), type=LevelSummary)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{run}: left no summary that can be read: {error}") from None
