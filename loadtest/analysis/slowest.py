"""The slowest messages of a run, by what they can be found in the server's logs with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.distribution import NS_PER_MS
from loadtest.analysis.measured import Measured
from loadtest.metrics import HEADLINE
from loadtest.runs.reader import RunReader

NUMBER: Final = 20


class SlowMessage(Struct, frozen=True):
    """One message.

    Attributes:
        sent_utc: ISO 8601 with milliseconds; the wall clock of the generator at the start of the run, carried on by its
            monotonic clock.
        times: ms by metric, of `HEADLINE`; infinite for what never came, None for what was not awaited.
    """

    message_id: str
    user: str
    user_class: str
    conversation: str
    sent_utc: str
    outcome: str
    times: dict[str, float | None]


def slowest(measured: Measured, run: RunReader, key: str, number: int = NUMBER) -> list[SlowMessage]:
    """The slowest messages of the headline by one metric, the unanswered first.

    Args:
        run: whose records `measured` is over.
        key: one of `HEADLINE`.
    """
    values = {name: measured.values(name) for name in HEADLINE}
    ranked = np.where(measured.headline & ~np.isnan(values[key]), values[key], -1.0)
    number = min(number, int((ranked >= 0).sum()))
    rows = np.argsort(-ranked, kind="stable")[:number].tolist()
    messages, info = measured.records.messages, measured.records.info
    began = datetime.fromisoformat(info.started_utc).astimezone(UTC)
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
            )
        )
    return found


def _ms(ns: float) -> float | None:
    return None if np.isnan(ns) else ns / NS_PER_MS
