"""What `loadtest ab` says while it runs: the plan, the noise floor, a line for each pair."""

from __future__ import annotations

import math

from loadtest.analysis.compare import GATES, Terms
from loadtest.analysis.power import MOST, Test, pairs_needed, smallest_seen
from loadtest.analysis.sample import QUANTITIES, RATIOS
from loadtest.experiment.ab import State, Told
from loadtest.experiment.noise import Floor
from loadtest.report.comparison_table import size_of
from loadtest.report.units import duration, milliseconds


def plan_line(state: State) -> str:
    """What is going to happen, and how long it takes."""
    plan, left = state.plan, state.plan.pairs - len(state.done)
    done = f"{len(state.done)} of {plan.pairs} pairs are done, " if state.done else ""
    builds = "one build against itself, " if plan.same else ""
    return (
        f"plan: {done}{2 * left} runs x {duration(plan.run_time_s)}, {builds}interleaved, same seeds within a pair, "
        f"about {duration(left * plan.pair_s)}"
    )


def floor_line(floor: Floor, pairs: int, terms: Terms) -> str:
    """What an earlier A/A of this setup promises of an experiment of so many pairs."""
    day = floor.measured_utc.strftime("%-d %b")
    seen, needed, unknown = [], 0, []
    for key, sd in floor.sd.items():
        if key in RATIOS or key not in QUANTITIES or not sd:
            continue
        test = Test(math.log1p(terms.margin), _gates(terms))
        smallest = smallest_seen(sd, pairs, test)
        if smallest is not None:
            seen.append(f"{size_of(math.expm1(smallest))} at {QUANTITIES[key].label}")
        enough = pairs_needed(sd, floor.pairs - 1, math.log1p(terms.detect), test)
        needed = max(needed, enough or 0)
        unknown += [] if enough else [QUANTITIES[key].label]
    sees = f"{pairs} pairs see {', '.join(seen)}" if seen else f"{pairs} pairs see no change of a sensible size"
    rest = f" but {', '.join(unknown)}, which take more than {MOST:,}" if unknown else ""
    advice = f"; {needed} pairs find {100 * terms.detect:g} % in all of them{rest}" if needed else ""
    return f"A/A of {day} ({floor.pairs} pairs): {sees}{advice}"


def pair_line(told: Told) -> str:
    """A pair that was run."""
    base, candidate = (milliseconds(value) for value in told.ack_p95)
    left = f"{duration(told.left_s)} left" if told.left_s >= 1 else "done"
    line = f"pair {told.pair}/{told.pairs}  base ack p95 {base}  candidate {candidate}   {left}"
    return f"{line}\n  {told.again}" if told.again else line


def _gates(terms: Terms) -> int:
    return len(terms.gates or GATES)
