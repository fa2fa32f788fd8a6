"""The slowest messages of a run, by what they can be found in the server's logs with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.distribution import NS_PER_MS
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import Floats
from loadtest.metrics import HEADLINE
from loadtest.model import Connect
from loadtest.runs.columns import Ints
from loadtest.runs.reader import RunReader

NUMBER: Final = 20


class SlowMessage(Struct, frozen=True):
    """One message.

    Attributes:
        sent_utc: ISO 8601 with milliseconds; the wall clock of the generator at the start of the run, carried on by its
            monotonic clock.
        trace_id: of the connection that it went over (`--traceparent`); None where that is not known.
        times: ms by metric, of `HEADLINE`; infinite for what never came, None for what was not awaited.
    """

    message_id: str
    user: str
    user_class: str
    conversation: str
    sent_utc: str
    outcome: str
    times: dict[str, float | None]
    trace_id: str | None = None


def slowest(measured: Measured, run: RunReader, key: str, number: int = NUMBER) -> list[SlowMessage]:
    """The slowest messages of the headline by one metric, the unanswered first.

    Args:
        run: whose records `measured` is over.
        key: one of `HEADLINE`.
    """
    values = {name: measured.values(name) for name in HEADLINE}
    ranked = np.where(measured.headline & ~np.isnan(values[key]), values[key], -1.0)
    rows = _largest(ranked, min(number, int((ranked >= 0).sum()))).tolist()
    messages, info = measured.records.messages, measured.records.info
    began = datetime.fromisoformat(info.started_utc).astimezone(UTC)
    traces = _Traces(measured.records.connects)
    found = []
    for row, who in zip(rows, run.identities(rows), strict=True):
        sent = began + timedelta(microseconds=(int(messages.sent_ns[row]) - info.started_ns) / 1_000)
        found.append(
            SlowMessage(
                who.message_id,
                who.user,
                who.user_class,
                who.conversation,
                sent.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                str(messages.outcome.names[messages.outcome.codes[row]]),
                {name: _ms(float(values[name][row])) for name in HEADLINE},
                traces.of(who.user, who.user_class, int(messages.sent_ns[row])),
            )
        )
    return found


def _largest(values: Floats, number: int) -> Ints:
    """Places of the largest values, the largest first, and of equal ones the earlier."""
    if not number:
        return np.zeros(0, np.int64)
    least = np.sort(values)[-number]  # to sort the values takes a twentieth of what it takes to sort their places
    places = np.flatnonzero(values >= least)
    return places[np.argsort(-values[places], kind="stable")][:number]


class _Traces:
    """Which trace a message belongs to: that of its user's latest connection before it.

    Where several users share an account, it is not known which of them a connection was; then there is no trace.
    """

    def __init__(self, connects: Iterable[Connect]) -> None:
        self._connects: dict[tuple[str, str], list[Connect]] = {}
        for connect in connects:
            if connect.trace_id is not None and connect.authenticated_ns is not None:
                self._connects.setdefault((connect.user, connect.user_class), []).append(connect)

    def of(self, user: str, user_class: str, sent_ns: int) -> str | None:
        """The trace of a message; None where it is not known."""
        own = self._connects.get((user, user_class), [])
        if sum(not connect.reconnect for connect in own) > 1:
            return None
        before = [connect for connect in own if (connect.authenticated_ns or 0) <= sent_ns]
        return max(before, key=lambda connect: connect.began_ns).trace_id if before else None


def _ms(ns: float) -> float | None:
    return None if np.isnan(ns) else ns / NS_PER_MS
