"""What a capacity search is going to do: its levels, how long each takes, and what ends one early."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from loadtest.analysis.capacity import Level, tried
from loadtest.analysis.capacity_search import Range, Step, Tried, Word, following
from loadtest.analysis.percentiles import required_samples
from loadtest.objectives import BY_MESSAGE, Comparison, Kind, Objective, abort_condition, objective, quantile

START: Final = 100
"""Users of the first level, where so many send enough messages in time."""
SPARE: Final = 1.5
"""Times the sample floor of its objectives that a level sends: at the floor itself an interval ends at the largest
sample."""
LONGEST: Final = 3.0
"""Times its usual length that a level is measured at most, for want of messages."""
LONGEST_BELOW: Final = 10.0
"""The same where the first level failed, so that it takes fewer users; with still fewer there is no verdict. A
level that is run again to be told is no longer, either."""
SETTLED: Final = 2.0
"""Times an answer's length after which the open ones are as many as they will be."""
_SETTLE_MOST_S: Final = 60.0
_ARRIVAL_S: Final = 1.0
"""The last users connect within so long after they were started."""
_OVERHEAD_S: Final = 8.0
"""Of a run: start, replies still open at the end, and its numbers."""
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
        user_per_s: messages of one connection a second, as the options have it; a level tells what its classes send.
        objectives: each as it reads back.
        options: further command-line words of every run, without what may be secret.
        withheld: names of the options that may, whose values are kept nowhere.
        first_user: number of the first user of the first level.
        same_users: whether every level has the same ones, those of a file; otherwise each has users of its own.
        rest_s: between levels of the same users, so that the limiter has forgotten what the last one sent.
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
    withheld: list[str]
    seed: int
    first_user: int
    same_users: bool
    rest_s: float

    @property
    def range(self) -> Range:
        messages = users_for(self.objectives, self.user_per_s, LONGEST_BELOW * self.run_time_s)
        least = max(messages, enough_connects(self.objectives))
        return Range(self.start, self.most, self.precision, least)

    def timing(self, step: Step, levels: Sequence[Level] = ()) -> Timing:
        """The time of a level, which settles by the answers that were seen and lasts until it has enough messages."""
        users = step.users
        first = next((each for each in levels if each.users == users and each.times == 1 and each.measured_s), None)
        answer_s = _answer_s(users, levels)
        settle = min(max(self.settle_s, SETTLED * answer_s), max(_SETTLE_MOST_S, self.settle_s))
        per_s = levels[-1].user_per_s if levels else None
        enough = enough_messages(self.objectives) / (users * (per_s or self.user_per_s))
        longest = LONGEST if users >= self.start else LONGEST_BELOW
        measured = min(max(self.run_time_s, enough), longest * self.run_time_s)
        if step.times > 1 and first is not None and first.measured_s is not None:
            measured = first.measured_s
        return Timing(users / self.spawn_rate, settle, round(step.times * measured, 1))

    def fits(self, step: Step, levels: Sequence[Level], left_s: float) -> bool:
        """Whether a level may be begun with so much time left."""
        too_long = step.times > 1 and self.timing(step, levels).measured_s > LONGEST_BELOW * self.run_time_s
        return not too_long and self.longest_s(step, levels) <= left_s

    def longest_s(self, step: Step, levels: Sequence[Level] = ()) -> float:
        """How long a level takes at the most, where the server lets the last messages wait."""
        return self.timing(step, levels).expected_s + self.reply_timeout_s + (self.rest_s if levels else 0.0)

    def first_of(self, levels: Sequence[Level]) -> int:
        """Number of the first user of the level that follows these."""
        return self.first_user + (0 if self.same_users else sum(each.users for each in levels))

    def messages(self, step: Step, levels: Sequence[Level] = ()) -> float:
        """What a level sends, about."""
        timing = self.timing(step, levels)
        return step.users * self.user_per_s * (timing.run_s - timing.ramp_s / 2)

    def passing(self, max_time_s: float, levels: Sequence[Level] = ()) -> list[Step]:
        """The levels still to come that there is time for, should all of them pass.

        No bound: after one that fails the search narrows, and may find time for more levels, and send more.
        """
        seen, left, found = tried(levels), max_time_s, list[Step]()
        while isinstance(step := following(self.range, seen), Step) and self.fits(step, levels, left):
            found.append(step)
            seen.append(Tried(step.users, Word.PASS, step.times))
            left -= self.timing(step, levels).expected_s + self.rest_s
        return found


def _answer_s(users: int, levels: Sequence[Level]) -> float:
    """How long answers take with so many users, by the level nearest below that did not fail: one that fails has the
    answers of a server that is overloaded."""
    below = [each for each in levels if each.users <= users and each.verdict is not Word.FAIL]
    return (max(below, key=lambda each: each.users).answer_s or 0.0) if below else 0.0


def enough_messages(objectives: Iterable[str]) -> int:
    """Messages that it takes to judge every objective on them with something to spare."""
    return _enough(each for each in map(objective, objectives) if each.subject in BY_MESSAGE)


def enough_connects(objectives: Iterable[str]) -> int:
    """Users that it takes to judge every objective on connections with something to spare: each connects once."""
    return _enough(each for each in map(objective, objectives) if each.subject not in BY_MESSAGE)


def _enough(asked: Iterable[Objective]) -> int:
    return max((round(SPARE * floor) for each in asked if (floor := _floor(each)) > 1), default=1)


def first_users(objectives: Sequence[str], user_per_s: float, run_time_s: float) -> int:
    """Users of the first level, where nobody says: so many that the longest level has enough messages of them."""
    messages = users_for(objectives, user_per_s, LONGEST * run_time_s)
    return max(START, messages, enough_connects(objectives))


def users_for(objectives: Iterable[str], user_per_s: float, seconds: float) -> int:
    """Users who send enough messages for a verdict in so long a time; at least 1."""
    return math.ceil(enough_messages(objectives) / (user_per_s * seconds))


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


def _floor(asked: Objective) -> int:
    share = asked.limit if asked.kind is Kind.RATIO else quantile(asked) if asked.kind is Kind.PERCENTILE else 1.0
    return required_samples(share) if 0 < share < 1 else 1
