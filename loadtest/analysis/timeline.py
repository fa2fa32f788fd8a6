"""A run over time: percentiles, users, sends and errors by interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.measured import Measured, in_unit
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.analysis.samples import UNANSWERED, Samples
from loadtest.model import Outcome, Population
from loadtest.runs.columns import MISSING, Ints

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_INTERVALS: Final = 120
"""At most so many, so that neighbours stay apart on paper."""
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One metric over time: quantile name to a value for each interval, NaN below 1 / (1 - q) samples."""

    metric: str
    quantiles: dict[str, Floats]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class ServerTrack:
    """The server's own resources by interval; NaN where they were not seen. Shape n each.

    Attributes:
        cores: kept busy.
        busiest: share of a core that its busiest thread took.
        memory_mb: resident.
        limit: cores that its container allows, or that it is pinned to; NaN where the machine is the limit.
    """

    cores: Floats
    busiest: Floats
    memory_mb: Floats
    limit: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """One run by interval.

    Attributes:
        step_s: length of an interval.
        times_s: the middle of each, seconds from the start of the run. Shape n.
        tracks: of the metrics asked for.
        users: users of all processes; NaN where no process reported. Shape n.
        sends: messages on the wire, a second. Shape n.
        rejected: rate-limit rejections, a second, by when the message was intended. Shape n.
        errors: messages without a good ack and connects that failed, a second. Shape n.
        steady_s: the steady window, seconds from the start of the run.
        server: None where it was not looked at.
    """

    step_s: int
    times_s: Floats
    tracks: tuple[Track, ...]
    users: Floats
    sends: Floats
    rejected: Floats
    errors: Floats
    steady_s: tuple[float, float]
    server: ServerTrack | None = None


class _Grid:
    """Intervals of one length from the start of a run to its end."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        length = max(end_ns - start_ns, 1) / 1e9
        self.step_s = next((step for step in _STEPS_S if length / step <= _INTERVALS), _STEPS_S[-1])
        self.count = max(int(np.ceil(length / self.step_s)), 1)
        self._start_ns = start_ns

    def place(self, instants: Ints) -> Ints:
        """The interval of each instant; what lies outside goes to the nearest."""
        return np.clip((instants - self._start_ns) // (self.step_s * 1_000_000_000), 0, self.count - 1)

    def middles(self) -> Floats:
        """The middle of each interval, seconds from the start."""
        return (np.arange(self.count, dtype=np.float64) + 0.5) * self.step_s

    def per_second(self, instants: Ints) -> Floats:
        """Instants a second in each interval."""
        return np.bincount(self.place(instants), minlength=self.count) / self.step_s


def timeline(measured: Measured, keys: Sequence[str]) -> Timeline:
    """The run over time; tracks are over headline messages of the whole run, by when they were intended."""
    records, messages = measured.records, measured.records.messages
    grid = _Grid(records.info.started_ns, records.end_ns)
    headline = measured.of_population(Population.HEADLINE)
    tracks = [_track(grid, key, measured.samples(key, headline)) for key in keys]
    failed = np.array([c.began_ns for c in records.connects if c.authenticated_ns is None], np.int64)
    wrong = messages.intended_ns[messages.outcome.is_in(*UNANSWERED)]
    return Timeline(
        step_s=grid.step_s,
        times_s=grid.middles(),
        tracks=tuple(track for track in tracks if track is not None),
        users=_users(grid, records),
        sends=grid.per_second(messages.sent_ns[messages.sent_ns != MISSING]),
        rejected=grid.per_second(messages.intended_ns[messages.outcome.is_in(Outcome.REJECTED)]),
        errors=grid.per_second(np.concatenate([wrong, failed])),
        steady_s=(measured.window.start_s, measured.window.stop_s),
        server=_server(grid, records) if records.server else None,
    )


def _track(grid: _Grid, key: str, samples: Samples | None) -> Track | None:
    if samples is None or not len(samples):
        return None
    places = grid.place(samples.at_ns)
    order = np.argsort(places.astype(np.int16), kind="stable")
    cuts = np.searchsorted(places[order], np.arange(1, grid.count))
    parts = [in_unit(key, part) for part in np.split(samples.values[order], cuts)]
    found = {name: np.array([_quantile(part, q) for part in parts]) for name, q in QUANTILES}
    return Track(key, found, len(samples))


def _quantile(part: Distribution, q: float) -> float:
    # With fewer samples it would be no more than the largest of them.
    return part.quantile(q) if part.count * (1 - q) >= 1 else float("nan")


def _server(grid: _Grid, records: Records) -> ServerTrack:
    places = grid.place(np.array([each.at_ns - each.interval_ns // 2 for each in records.server], np.int64))
    passed = np.array([each.interval_ns for each in records.server], np.float64)

    def mean(name: str, scale: Floats | float) -> Floats:
        """The mean of a field over its scale in each interval, of the samples that know it."""
        values = np.array([np.nan if (v := getattr(each, name)) is None else v for each in records.server]) / scale
        known = np.isfinite(values)
        counts = np.bincount(places[known], minlength=grid.count)
        sums = np.bincount(places[known], values[known], grid.count)
        means: Floats = np.divide(sums, counts, out=np.full(grid.count, np.nan), where=counts > 0)
        return means

    return ServerTrack(
        mean("cpu_ns", passed), mean("busiest_ns", passed), mean("memory_bytes", 1e6), mean("cpu_limit_ns", passed)
    )


def _users(grid: _Grid, records: Records) -> Floats:
    """Users by interval: the mean of each process, added up over processes."""
    total = np.full(grid.count, np.nan)
    for process in {sample.process for sample in records.health}:
        own = [sample for sample in records.health if sample.process == process]
        places = grid.place(np.array([sample.at_ns for sample in own], np.int64))
        sums = np.bincount(places, [sample.users for sample in own], grid.count)
        counts = np.bincount(places, minlength=grid.count)
        seen = counts > 0
        total[seen] = np.nan_to_num(total[seen]) + sums[seen] / counts[seen]
    return total
