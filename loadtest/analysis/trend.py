"""Runs in the order of time: a row a night, and where a metric shifted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from loadtest.analysis.changes import change_points
from loadtest.analysis.compare import RATIO_MARGIN
from loadtest.analysis.sample import PAIR, QUANTITIES, RATIOS, Sample, logarithm, unlike
from loadtest.metrics import Better

WATCHED: Final = ("ack_delivered.p95", "ttft.p95", "stream_completion.p95", "fanout.p95", "delivered_ratio")
"""What a trend shows unless something else is asked for."""


class Row(Struct, frozen=True):
    """One run.

    Attributes:
        values: by key; those that the run has.
        silent: keys of those that lie among the unanswered: the value is the least that it can be.
    """

    folder: str
    started_utc: str
    status: str
    labels: dict[str, str]
    values: dict[str, float]
    silent: list[str] = []


class LevelShift(Struct, frozen=True):
    """A level that a quantity took on.

    Attributes:
        place: of the first row with the new level.
        label: of that row's run, as in `build=77ab0`; its folder without one.
        before, after: geometric means of the levels, in the quantity's unit.
        worse: whether it is the bad way.
        ago: rows since then, that one included.
    """

    key: str
    place: int
    label: str
    before: float
    after: float
    worse: bool
    ago: int

    @property
    def ratio(self) -> float:
        """New level to old."""
        return self.after / self.before


class Trend(Struct, frozen=True):
    """Runs of one setup.

    Attributes:
        keys: what is watched and any of the runs has, in the order of tables.
        rows: oldest first.
        shifts: oldest first.
        margin: relative change below which none is told.
        label: key of the label that names the runs; empty where none does.
        left_out: folders of runs that are not in it, and why.
    """

    keys: list[str]
    rows: list[Row]
    shifts: list[LevelShift]
    margin: float
    label: str
    left_out: dict[str, str]


def trend(runs: Sequence[Sample], keys: Sequence[str], margin: float, *, force: bool = False) -> Trend:
    """Put runs in order and find where they shifted.

    They are those of the newest valid run's setup: a change of the load would look like one of the build. Runs of
    experiments are none of it.

    Args:
        keys: of the quantities to watch.
        margin: smallest relative change to tell of.
        force: whether invalid runs and those of other setups are in it too.

    Raises:
        ValueError: no run is left.
    """
    ordered = sorted(runs, key=lambda run: (run.started_utc, run.folder))
    left_out = {} if force else _left_out(ordered)
    kept = [run for run in ordered if run.folder not in left_out]
    if not kept:
        folder, reason = next(iter(left_out.items()), ("", "holds no sample"))
        raise ValueError(f"no run can be used: {folder or 'none'} {reason}; make others, or take it in with --force")
    present = [key for key in keys if any(key in run.quantities for run in kept)]
    if not present:
        raise ValueError(f"no run has enough samples of {', '.join(keys)}; make them longer")
    label = _telling(kept)
    rows = [
        Row(
            run.folder,
            run.started_utc,
            run.status,
            run.labels,
            {k: run.quantities[k] for k in present if k in run.quantities},
            [k for k in present if k in run.silent],
        )
        for run in kept
    ]
    shifts = [shift for key in present for shift in _shifts(key, rows, margin, label)]
    return Trend(present, rows, sorted(shifts, key=lambda shift: shift.place), margin, label, left_out)


def _left_out(ordered: Sequence[Sample]) -> dict[str, str]:
    reasons = {run.folder: "is invalid" for run in ordered if run.status == "invalid"}
    reasons |= {run.folder: "is of an experiment" for run in ordered if PAIR in run.labels}
    newest = next((run for run in reversed(ordered) if run.folder not in reasons), None)
    if newest is not None:
        for run in ordered:
            apart = unlike(run, newest, generator=False)
            if run.folder not in reasons and apart:
                reasons[run.folder] = f"is of another setup: {apart[0]}"
    return reasons


def _telling(runs: Sequence[Sample]) -> str:
    """The label that names runs: `build`, or the first in which they differ."""
    keys = list(dict.fromkeys(key for run in runs for key in run.labels))
    differing = [key for key in keys if len({run.labels.get(key) for run in runs}) > 1]
    return next((key for key in ("build", "commit", "version") if key in keys), next(iter(differing), ""))


def _shifts(key: str, rows: Sequence[Row], margin: float, label: str) -> list[LevelShift]:
    having = [place for place, row in enumerate(rows) if key in row.values]
    logs = [logarithm(rows[place].values[key]) for place in having]
    bounds = [0, *change_points(logs), len(logs)]
    levels = [sum(logs[a:b]) / (b - a) for a, b in pairwise(bounds)]
    least = math.log1p(min(margin, RATIO_MARGIN) if key in RATIOS else margin)
    lower_is_better = QUANTITIES[key].better is Better.LOWER
    found = []
    for at, before, after in zip(bounds[1:-1], levels, levels[1:], strict=False):
        if abs(after - before) >= least:
            row, place = rows[having[at]], having[at]
            name = f"{label}={row.labels[label]}" if label in row.labels else row.folder
            worse = (after > before) is lower_is_better
            found.append(LevelShift(key, place, name, math.exp(before), math.exp(after), worse, len(rows) - place))
    return found
