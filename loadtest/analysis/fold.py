"""Metrics over parts of one run: its users by class or population, the steps of its load."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from loadtest.analysis import ledger
from loadtest.analysis.measure import of_counts, of_samples
from loadtest.analysis.measured import Measured
from loadtest.analysis.samples import EVENTS, OF_OUTAGES, REPLIES, Basis, connect_part
from loadtest.analysis.values import Group, Metrics, MetricSummary, StepGroup
from loadtest.metrics import BY_KEY, METRICS
from loadtest.model import PREFLIGHT, Population
from loadtest.runs.columns import Bools, Ints

_THREADS: Final = 2
_APART: Final = (Population.QUEUED, Population.INVALID)
"""In no numbers of their class."""
_CONNECT_PARTS: Final = ("tcp", "proxy", "tls", "upgrade", "auth")


class Fold:
    """Metrics over parts of one measured set."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._messages = measured.records.messages
        self._beyond = f"> {measured.records.info.reply_timeout_s:g} s"

    def metrics(self) -> Metrics:
        """Every metric over the headline; what has no samples is there with a count of 0."""
        return self._each([metric.key for metric in METRICS])

    def replies(self, part: Bools, *, basis: Basis = Basis.SENT) -> Metrics:
        """Metrics of replies over some messages."""
        rows = np.flatnonzero(part)
        return self._each(REPLIES, rows, basis=basis)

    def populations(self) -> dict[str, Group]:
        """Those that are not the headline and may be answered, as far as the run has any."""
        groups = {}
        for population in (Population.LIMIT, Population.OUTAGE, Population.QUEUED):
            part = self._measured.of_population(population)
            if part.any():
                counts = ledger.message_counts(self._messages, part)
                groups[str(population)] = Group(counts, self.replies(part & self._measured.steady))
        return groups

    def classes(self) -> dict[str, Group]:
        """Users by class."""
        connects = self._measured.records.connects
        names = {connect.user_class for connect in connects} | set(self._messages.user_class.counts())
        return {name: self._class(name) for name in sorted(filter(None, names - {PREFLIGHT}))}

    def steps(self) -> list[StepGroup]:
        """Replies by step of the load shape: all of a step counts, since it begins when its users are there."""
        measured, intended, found = self._measured, self._messages.intended_ns, []
        origin = measured.records.info.started_ns
        for step in measured.records.steps:
            part = (intended >= step.began_ns) & (intended < step.ended_ns)
            found.append(
                StepGroup(
                    number=step.number,
                    users=step.users,
                    start_s=round((step.began_ns - origin) / 1e9, 3),
                    stop_s=round((step.ended_ns - origin) / 1e9, 3),
                    counts=ledger.message_counts(self._messages, part),
                    metrics=self.replies(part & measured.of_population(Population.HEADLINE)),
                )
            )
        return found

    def connect_parts(self) -> Metrics:
        """What `connect` consists of."""
        records = self._measured.records
        return {part: of_samples("ms", connect_part(records, part), self._beyond, "run") for part in _CONNECT_PARTS}

    def _class(self, name: str) -> Group:
        measured, messages = self._measured, self._messages
        own = messages.user_class.is_in(name)
        part = own & measured.steady & ~messages.population.is_in(*_APART)
        rows = np.flatnonzero(part)
        metrics = self._each([metric.key for metric in METRICS], rows, user_class=name)
        return Group(ledger.message_counts(self._messages, own), metrics)

    def _each(self, keys: Iterable[str], rows: Ints | None = None, **how: Any) -> Metrics:
        """Metrics by key: two at a time, since numpy works without the interpreter's lock."""
        keys = list(keys)
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(keys, pool.map(lambda key: self._measure(key, rows, **how), keys), strict=True))

    def _measure(
        self, key: str, rows: Ints | None = None, *, basis: Basis = Basis.SENT, user_class: str | None = None
    ) -> MetricSummary:
        """A metric over some messages; what is kept as counts is not known of a class, and has a count of 0 there."""
        unit = BY_KEY[key].unit
        samples = self._measured.samples(key, rows, basis=basis, user_class=user_class)
        if samples is None:
            return of_counts(unit, [] if user_class else self._measured.counts(key), self._beyond)
        beyond = "never" if key in OF_OUTAGES else self._beyond
        return of_samples(unit, samples, beyond, "run" if key in EVENTS else "steady")
