"""What a run has recorded so far, as additive counts: the numbers of `--prometheus-port`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from loadtest import histogram
from loadtest.model import PREFLIGHT, Batch, Counts, Health, Login, Message, Outcome, StreamState

BOUNDS_S: Final = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0,
    30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the buckets, s: half a millisecond to a minute, denser where first tokens lie."""
MEASURED: Final = (
    *("connect", "close", "login", "ack_received", "ack_delivered", "ttft", "stream_completion", "reject", "send_lag"),
    *("outage", "recovery", "inter_chunk", "ping_rtt", "receive_lag", "loop_lag", "gap_bound"),
)
"""The metrics that one batch is enough for; others, such as fan-out, take records of several processes."""
UNANSWERED: Final = frozenset({Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST, Outcome.UNFINISHED})
"""They rank above every bound: in the bucket `+Inf`, and not in the sum."""
SILENT_S: Final = 15.0
"""After so long without a sample a process is gone: its users are no longer there, or another's."""
_NS: Final = 1e9


class Buckets:
    """One histogram.

    Attributes:
        counts: samples by bucket, the last one above every bound.
        sum_s: of the samples that are finite, s.
    """

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float | None, number: int = 1) -> None:
        """Count samples of one value in; None is one that never came."""
        if seconds is None:
            self.counts[-1] += number
            return
        self.counts[bisect_left(BOUNDS_S, seconds)] += number
        self.sum_s += seconds * number

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Upper bound (s, the last one infinite) and the samples at or below it."""
        total = 0
        for bound, count in zip((*BOUNDS_S, float("inf")), self.counts, strict=True):
            total += count
            yield bound, total


class Live:
    """The counts of one run.

    Attributes:
        latencies: by metric, class and population of the users.
        messages: by outcome, class and population.
        streams: by state and class.
        logins: by outcome and whether a refresh token was used.
        connects: by outcome and whether it was a reconnect.
        disconnects: by close code and by whom.
        outages: by how they ended.
        counters: by name.
        health: the newest sample of each process; not of one that fell silent while others went on.
    """

    def __init__(self) -> None:
        self.latencies: dict[tuple[str, str, str], Buckets] = {}
        self.messages: Counter[tuple[str, str, str]] = Counter()
        self.streams: Counter[tuple[str, str]] = Counter()
        self.logins: Counter[tuple[str, bool]] = Counter()
        self.connects: Counter[tuple[str, bool]] = Counter()
        self.disconnects: Counter[tuple[int, str]] = Counter()
        self.outages: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self.health: dict[str, Health] = {}
        self._answers = False
        """Whether any AI answer was seen: only then is one missing where a message was lost."""

    def see(self, batch: Batch) -> None:
        """Count a batch in."""
        for message in batch.messages:
            self._message(message)
        for login in batch.logins:
            self._login(login)
        for connect in batch.connects:
            if connect.bad_token is not None or connect.user_class == PREFLIGHT:
                continue
            self.connects[connect.outcome, connect.reconnect] += 1
            if connect.authenticated_ns is not None:
                self._add("connect", connect.user_class, "", connect.authenticated_ns - connect.began_ns)
        for end in batch.disconnects:
            self.disconnects[end.code, end.by] += 1
            if end.close_ns is not None:
                self._add("close", end.user_class, "", end.close_ns)
        for outage in batch.outages:
            self.outages[outage.ended] += 1
            for key, until in (("outage", outage.authenticated_ns), ("recovery", outage.recovered_ns)):
                self._add(key, outage.user_class, "", _since(until, outage.lost_ns), wanted=outage.without_end)
        for part in batch.histograms:
            self._counts(part)
        self.health |= {sample.process: sample for sample in batch.health}
        newest = max((sample.at_ns for sample in self.health.values()), default=0)
        self.health = {name: one for name, one in self.health.items() if newest - one.at_ns <= SILENT_S * _NS}
        for count in batch.counters:
            self.counters[count.name] += count.value

    def _login(self, login: Login) -> None:
        self.logins[login.outcome, login.refresh] += 1
        if login.outcome == "ok":
            self._add("login", "", "", login.ended_ns - login.began_ns)

    def _message(self, message: Message) -> None:
        who = (message.user_class, str(message.population))
        self.messages[str(message.outcome), *who] += 1
        if message.stream_state is not None:
            self._answers = self._answers or message.stream_state is not StreamState.NOT_EXPECTED
            self.streams[str(message.stream_state), message.user_class] += 1
        sent = message.sent_ns
        if sent is None:
            return
        self._add("send_lag", *who, sent - message.intended_ns)
        if message.outcome is Outcome.REJECTED:
            self._add("reject", *who, _since(message.refused_ns, sent))
            return
        lost = message.outcome in UNANSWERED
        answered = (lost and self._answers) or message.stream_state not in (None, StreamState.NOT_EXPECTED)
        for key, at in (("ack_received", message.received_ns), ("ack_delivered", message.delivered_ns)):
            self._add(key, *who, _since(at, sent), wanted=lost)
        for key, at in (("ttft", message.first_content_ns), ("stream_completion", message.completed_ns)):
            self._add(key, *who, _since(at, sent), wanted=answered)

    def _add(self, key: str, user_class: str, population: str, ns: int | None, *, wanted: bool = False) -> None:
        """Count a sample in; one that is not there counts where it was wanted."""
        if ns is not None or wanted:
            buckets = self.latencies.setdefault((key, user_class, population), Buckets())
            buckets.add(None if ns is None else ns / _NS)

    def _counts(self, part: Counts) -> None:
        buckets = self.latencies.setdefault((part.metric, "", str(part.population)), Buckets())
        values = histogram.value_of(np.frombuffer(part.buckets, "<u4").astype(np.int64)) / _NS
        for value, number in zip(values.tolist(), np.frombuffer(part.counts, "<u4").tolist(), strict=True):
            buckets.add(value, number)


def _since(at: int | None, sent: int) -> int | None:
    return None if at is None else at - sent
