"""What `loadtest capacity` says while it runs: the plan, and a line for each level."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from loadtest.analysis.capacity import Level, tried
from loadtest.analysis.capacity_search import End, bracket, following
from loadtest.experiment.capacity import Begun, Told
from loadtest.experiment.capacity_plan import Plan
from loadtest.report.capacity_table import level_words, times_of
from loadtest.report.units import duration


def plan_line(plan: Plan, done: Sequence[Level], max_time_s: float) -> str:
    """What is left to do, how long it takes at the most, and how much it sends if nothing fails."""
    before = f"{len(done)} level{'' if len(done) == 1 else 's'} done, " if done else ""
    step = following(plan.range, tried(done), partial(plan.fits, levels=done, left_s=max_time_s))
    if isinstance(step, End):
        return f"plan: {before}and none is left to run"
    first, measured = plan.timing(step, done), duration(plan.run_time_s)
    if first.measured_s >= plan.run_time_s + 1:
        measured += f" ({duration(first.measured_s)} at first)"
    sent = sum(plan.messages(each, done) for each in plan.passing(max_time_s, done))
    return (
        f"plan: {before}levels {_where(plan, done, step.users)}, each {duration(plan.settle_s)} settle + {measured}; "
        f"{duration(max_time_s)} with ramps, about {sent:,.0f} messages if every level passes"
    )


def _where(plan: Plan, done: Sequence[Level], users: int) -> str:
    known = bracket(tried(done))
    if known.fails is None:
        up = f"up to {plan.most:,} users" if plan.most is not None else "doubling"
        return f"from {users:,} users on, {up}"
    if known.passes is None:
        return f"below {known.fails:,} users, {users:,} first"
    return f"between {known.passes:,} and {known.fails:,} users, {users:,} first"


def line_of(told: Begun | Told) -> str:
    """A level that begins, or one that was run."""
    if isinstance(told, Begun):
        again = " again" if told.again else ""
        longer = f", {times_of(told.step.times)} to be told" if told.step.times > 1 else ""
        return f"{told.step.users:,} users{again}{longer}: about {duration(told.expected_s)}"
    return f"{level_words(told.level)}   {duration(max(told.left_s, 0.0))} left at most"
