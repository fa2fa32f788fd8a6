"""Watches for a run that is lost already (`--abort-on`), where all records come together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from loadtest.load.misses import Misses
from loadtest.model import Batch, Message, Outcome, Population, StreamState
from loadtest.objectives import Kind, Objective, quantile

SETTLE_NS: Final = 10_000_000_000
"""Percentiles and ratios are looked at once they hold so long a time: a freeze of a second is not the run."""
_ARRIVALS: Final[Mapping[str, str]] = {
    "ack_received": "received_ns",
    "ack_delivered": "delivered_ns",
    "ttft": "first_content_ns",
    "stream_completion": "completed_ns",
}
_NOT_ASKED: Final = (Outcome.REJECTED, Outcome.DROPPED)
"""Outcomes in whose place there is no latency, not even an infinite one (`analysis.samples`)."""
_NO_STREAM: Final = (None, StreamState.NOT_EXPECTED)
_COUNTERS: Final = {
    "duplicate_ack": "duplicates",
    "stream_violation": "stream_violations",
    "unknown_event": "unknown_events",
}
"""Counter of a process to its name among the counts of a run."""


class AbortWatch:
    """Sees every record of a run and says whether one of its conditions has come true.

    Args:
        conditions: as `objectives.abort_condition` reads them.
    """

    def __init__(self, conditions: Iterable[Objective]) -> None:
        self._conditions = tuple(conditions)
        self._from_ns: int | None = None
        self._misses: dict[str, Misses] = {}
        self._counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._conditions)

    def steady_from(self, instant_ns: int) -> None:
        """Percentiles and ratios are over headline messages intended from then on."""
        if self._from_ns is None:
            self._from_ns = instant_ns
            self._misses = {each.text: Misses(instant_ns) for each in self._conditions}

    def see(self, batch: Batch) -> None:
        """Count a batch in."""
        self._counts.update(str(message.outcome) for message in batch.messages)
        self._counts["connect_failures"] += sum(
            connect.authenticated_ns is None and connect.bad_token is None for connect in batch.connects
        )
        self._counts["disconnects"] += len(batch.disconnects)
        for count in batch.counters:
            self._counts[_COUNTERS.get(count.name, "")] += count.value
        start = self._from_ns
        if start is None:
            return
        steady = [m for m in batch.messages if m.intended_ns >= start and m.population is Population.HEADLINE]
        for each in self._conditions:
            for message in steady:
                beyond = _is_beyond(each, message)
                if beyond is not None:
                    self._misses[each.text].add(message.intended_ns, beyond)

    def tripped(self, now_ns: int) -> str:
        """The condition that has come true, and what was seen; empty for none."""
        return next(filter(None, (self._told(each, now_ns) for each in self._conditions)), "")

    def _told(self, each: Objective, now_ns: int) -> str:
        if each.kind is Kind.COUNT:
            value = self._counts[each.subject]
            return f"{each.text}: {value:,} by then" if each.met_by(value) else ""
        if self._from_ns is None or now_ns - self._from_ns < SETTLE_NS:
            return ""
        misses = self._misses[each.text]
        tolerated = 1 - (quantile(each) if each.kind is Kind.PERCENTILE else each.limit)
        if not misses.beyond_doubt(tolerated):
            return ""
        what = f"were not {_ENDS[each.subject]}" if each.kind is Kind.RATIO else "were beyond that"
        return f"{each.text}: {misses.beyond:,} of {misses.samples:,} messages {what}"


_ENDS: Final = {"delivered_ratio": "delivered", "stream_complete_ratio": "answered to the end"}


def _is_beyond(each: Objective, message: Message) -> bool | None:
    """Whether a message is what the condition is on the watch for; None where it is no sample of it."""
    delivered = message.outcome is Outcome.DELIVERED
    if each.subject == "delivered_ratio":
        return not delivered
    if each.subject == "stream_complete_ratio":
        wanted = delivered and message.stream_state not in _NO_STREAM
        return message.stream_state is not StreamState.COMPLETED if wanted else None
    if each.kind is not Kind.PERCENTILE or message.outcome in _NOT_ASKED:
        return None
    arrived: int | None = getattr(message, _ARRIVALS[each.subject])
    if arrived is not None and message.sent_ns is not None:
        return each.met_by((arrived - message.sent_ns) / 1e6)
    of_stream = each.subject in ("ttft", "stream_completion")
    return None if of_stream and delivered and message.stream_state in _NO_STREAM else True
