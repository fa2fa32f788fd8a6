"""What `loadtest capacity` says while it runs: the plan, and a line for each level."""

from __future__ import annotations

from loadtest.experiment.capacity import Begun, Told
from loadtest.experiment.capacity_plan import Plan
from loadtest.report.capacity_table import level_words
from loadtest.report.units import duration


def plan_line(plan: Plan, done: int, max_time_s: float) -> str:
    """What is going to happen, how long it takes at the most, and how much it sends."""
    first, levels = plan.timing(plan.start), plan.doublings(max_time_s)
    before = f"{done} level{'' if done == 1 else 's'} done, " if done else ""
    measured = duration(plan.run_time_s)
    if first.measured_s >= plan.run_time_s + 1:
        measured += f" ({duration(first.measured_s)} at first)"
    up = f"up to {plan.most:,} users" if plan.most is not None else "doubling"
    return (
        f"plan: {before}levels from {plan.start:,} users on, {up}, each {duration(plan.settle_s)} settle + {measured}; "
        f"{duration(max_time_s)} with ramps, at most {sum(map(plan.messages, levels)):,.0f} messages"
    )


def line_of(told: Begun | Told) -> str:
    """A level that begins, or one that was run."""
    if isinstance(told, Begun):
        return f"{told.users:,} users: about {duration(told.expected_s)}"
    return f"{level_words(told.level)}   {duration(max(told.left_s, 0.0))} left at most"
