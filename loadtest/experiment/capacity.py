"""The search for a server's capacity: one run after the other, each a level, which can be broken off and resumed."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from loadtest.analysis.capacity_search import End, Range, following
from loadtest.analysis.percentiles import required_samples
from loadtest.errors import LoadtestError, RunFolderError, UsageError
from loadtest.experiment.run import Load, under_way
from loadtest.objectives import Comparison, Kind, Objective, abort_condition, objective, quantile
from loadtest.runs.folder import LATEST, SUMMARY

STATE: Final = "capacity.json"
MAX_TIME: Final = "--max-time"
"""What limits a search that ran out of time."""
START: Final = 100
"""Users of the first level, where so many send enough messages in time."""
SPARE: Final = 1.5
"""Times the sample floor of its objectives that a level sends: at the floor itself an interval ends at the largest
sample."""
LONGEST: Final = 3.0
"""Times its usual length that a level of few users is measured at most, for want of messages."""
SETTLED: Final = 2.0
"""Times an answer's length after which the open ones are as many as they will be."""
_SETTLE_MOST_S: Final = 60.0
_ARRIVAL_S: Final = 1.0
"""The last users connect within so long after they were started."""
_OVERHEAD_S: Final = 8.0
"""Of a run: start, replies still open at the end, and its numbers."""
_PATIENCE_S: Final = 120.0
"""How much longer than planned a level may take before it is broken off."""
_REVERSED: Final = {
    Comparison.BELOW: ">=",
    Comparison.AT_MOST: ">",
    Comparison.ABOVE: "<=",
    Comparison.AT_LEAST: "<",
}


class Timing(Struct, frozen=True):
    """The time of one level, seconds."""

    ramp_s: float
    settle_s: float
    measured_s: float

    @property
    def warmup_s(self) -> float:
        return self.ramp_s + _ARRIVAL_S + self.settle_s

    @property
    def run_s(self) -> float:
        return float(math.ceil(self.warmup_s + self.measured_s))  # Locust takes whole seconds

    @property
    def expected_s(self) -> float:
        """With what comes before and after the load."""
        return self.run_s + _OVERHEAD_S


class Plan(Struct, frozen=True):
    """The search, as it was planned before its first level.

    Attributes:
        host: None for the reference server, which is started.
        most: of users; None for any number.
        settle_s: least time between the arrival of all users and the measurement.
        run_time_s: least measured time of a level.
        spawn_rate: users started a second.
        user_per_s: messages of one user a second.
        objectives: each as it reads back.
        options: further command-line words of every run, without secrets.
        rest_s: between levels that share their users, so that the limiter has forgotten what the last one sent; 0 where
            every level has users of its own.
    """

    host: str | None
    start: int
    most: int | None
    precision: float
    settle_s: float
    run_time_s: float
    spawn_rate: float
    user_per_s: float
    reply_timeout_s: float
    processes: int
    locustfile: str
    classes: list[str]
    objectives: list[str]
    options: list[str]
    seed: int
    rest_s: float

    @property
    def range(self) -> Range:
        return Range(self.start, self.most, self.precision)

    def timing(self, users: int, levels: Sequence[Level] = ()) -> Timing:
        """The time of a level, which settles by the answers that were seen and lasts until it has enough messages."""
        answer_s = max((each.answer_s or 0.0 for each in levels[-1:]), default=0.0)
        settle = min(max(self.settle_s, SETTLED * answer_s), max(_SETTLE_MOST_S, self.settle_s))
        enough = enough_messages(self.objectives) / (users * self.user_per_s)
        measured = min(max(self.run_time_s, enough), LONGEST * self.run_time_s)
        return Timing(users / self.spawn_rate, settle, round(measured, 1))

    def longest_s(self, users: int, levels: Sequence[Level] = ()) -> float:
        """How long a level takes at the most, where the server lets the last messages wait."""
        return self.timing(users, levels).expected_s + self.reply_timeout_s + (self.rest_s if levels else 0.0)

    def messages(self, users: int) -> float:
        """What a level sends, about."""
        timing = self.timing(users)
        return users * self.user_per_s * (timing.run_s - timing.ramp_s / 2)

    def doublings(self, max_time_s: float) -> list[int]:
        """The levels that there are time for, should all of them pass: the most that a search can send."""
        users, left, found = self.start, max_time_s, list[int]()
        while left >= self.longest_s(users) and (not found or found[-1] != users):
            found.append(users)
            left -= self.timing(users).expected_s + self.rest_s
            users = min(2 * users, self.most or 2 * users)
        return found


class Record(Capacity, frozen=True, kw_only=True):
    """`capacity.json`: what was found, and enough to go on where a search was broken off."""

    plan: Plan


class Told(Struct, frozen=True):
    """What is known after a level; `left_s` is the rest of the time that there is."""

    level: Level
    left_s: float


Progress = Callable[[Told], None]


def enough_messages(objectives: Iterable[str]) -> int:
    """Messages that it takes to judge every objective with something to spare."""
    return round(SPARE * max((_floor(objective(text)) for text in objectives), default=1))


def first_users(objectives: Sequence[str], user_per_s: float, run_time_s: float) -> int:
    """Users of the first level, where nobody says: so many that the longest level has enough messages of them."""
    return max(START, -(-enough_messages(objectives) // max(int(LONGEST * run_time_s * user_per_s), 1)))


def lost_when(objectives: Iterable[str]) -> list[str]:
    """What ends a level early, since it has failed for certain: the reverse of each objective known while it runs."""
    found = []
    for text in objectives:
        asked = objective(text)
        sign = _REVERSED.get(asked.comparison)
        if sign is None:
            continue
        try:
            found.append(abort_condition(text.replace(f" {asked.comparison} ", f" {sign} ")).text)
        except ValueError:  # nobody knows it before the end
            continue
    return found


def new(plan: Plan) -> Record:
    """A search that has not begun."""
    return _record(plan, [], None, "")


def save(folder: Path, record: Record) -> None:
    """Keep the record, whole: whoever reads finds the old one or the new one.

    Raises:
        RunFolderError: it cannot be written.
    """
    beside = folder / f".{STATE}"
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        beside.replace(folder / STATE)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder / STATE}: {error.strerror}") from None


def restore(folder: Path) -> Record:
    """The record of a search.

    Raises:
        RunFolderError: there is none, it is damaged, or of a newer version.
    """
    try:
        content = (folder / STATE).read_bytes()
        record = msgspec.json.decode(content, type=Record)
    except OSError as error:
        raise RunFolderError(f"{folder}: holds no {STATE}: {error.strerror}; give the folder of a capacity") from None
    except msgspec.MsgspecError as error:
        raise RunFolderError(f"{folder}: {STATE} cannot be read: {error}") from None
    if record.schema > SCHEMA:
        raise RunFolderError(f"{folder}: written by a newer loadtest (schema {record.schema}); upgrade to read it")
    return record


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
    ended, stopped = None, ""
    while ended is None and not stopped:
        step = following(plan.range, tried(levels))
        if isinstance(step, End):
            ended = str(step)
        elif plan.longest_s(step, levels) > deadline - time.monotonic():
            ended = MAX_TIME
        else:
            try:
                levels.append(_level(plan, step, levels, folder, url, secrets))
                progress(Told(levels[-1], deadline - time.monotonic()))
            except LoadtestError as error:
                stopped = f"level of {step:,} users: {error}" if levels else str(error)
        record = _record(plan, levels, ended, stopped)
        save(folder, record)
    return record


def _record(plan: Plan, levels: list[Level], ended: str | None, stopped: str) -> Record:
    return Record(**msgspec.structs.asdict(capacity(levels, ended, stopped)), plan=plan)


def _level(
    plan: Plan, users: int, levels: Sequence[Level], folder: Path, url: str, secrets: Mapping[str, str]
) -> Level:
    """Run one level to its end.

    Raises:
        UsageError: the run was refused, or left nothing.
        LoadtestError: it did not end, or the rate limit rejects what users send.
    """
    timing = plan.timing(users, levels)
    time.sleep(plan.rest_s if levels else 0.0)
    (folder / "logs").mkdir(exist_ok=True)
    console = folder / "logs" / f"{len(levels) + 1:02}-{users}-users.txt"
    before = _newest(folder)
    first = 0 if plan.rest_s else sum(each.users for each in levels)
    load = _load(plan, users, first, timing, folder, url, secrets)
    with console.open("wb") as printed, under_way(load, printed) as process:
        try:
            code = process.wait(timing.run_s + plan.reply_timeout_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise LoadtestError(f"a run did not end in time; it was broken off, and {console} says why") from None
    run = _newest(folder)
    if run is None or run == before or not (run / SUMMARY).is_file():
        raise UsageError(_last_line(console))
    summary = _summary(run)
    if code == UsageError.exit_code:
        raise UsageError(_last_line(console))
    rejected = beyond_the_limiter(summary)
    if rejected is not None:
        raise UsageError(
            f"--message-rate: the server's rate limit rejected {100 * rejected:.0f} % of the messages, so a search "
            "would measure the limiter; lower it, and leave out users who send at or above the limit"
        )
    return level(summary, users, run.name)


def _load(
    plan: Plan, users: int, first: int, timing: Timing, folder: Path, url: str, secrets: Mapping[str, str]
) -> Load:
    own = [
        f"--results={folder}",
        f"--seed={plan.seed}",
        f"--first-user={first}",
        f"--warmup={timing.warmup_s:g}s",
        f"--label=level={users}",
        *(f"--slo={text}" for text in plan.objectives),
        *(f"--abort-on={text}" for text in lost_when(plan.objectives)),
    ]
    return Load(
        host=url,
        users=users,
        spawn_rate=plan.spawn_rate,
        run_time=timing.run_s,
        processes=plan.processes,
        locustfile=plan.locustfile,
        classes=plan.classes,
        options=[*plan.options, *own],
        secrets=secrets,
    )


def _floor(asked: Objective) -> int:
    share = asked.limit if asked.kind is Kind.RATIO else quantile(asked) if asked.kind is Kind.PERCENTILE else 1.0
    return required_samples(share) if 0 < share < 1 else 1


def _newest(folder: Path) -> Path | None:
    latest = folder / LATEST
    return latest.resolve() if latest.is_symlink() and latest.exists() else None


def _summary(run: Path) -> LevelSummary:
    try:
        return msgspec.json.decode((run / SUMMARY).read_bytes(), type=LevelSummary)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{run}: left no summary that can be read: {error}") from None


def _last_line(console: Path) -> str:
    lines = console.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = lines[-1].removeprefix("loadtest: error: ") if lines else ""
    return said or f"the run left nothing and said nothing; {console} is empty"
