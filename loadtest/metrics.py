"""The metric table: the words of every table, plot and file, each with its definition beside it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Better(StrEnum):
    """Which way is good."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Metric(Struct, frozen=True):
    """One row of the table.

    Attributes:
        key: the name in files and options.
        label: the name for people.
        unit: `ms`, `chars/s`, `chunks/s`, or `x`, a ratio.
        better: which way is good.
        definition: from what to what, in one sentence.
        ranks_unanswered: whether its percentiles rank unanswered messages as +infinity (a server
            that drops its slow ones must not win by it), and outages that nobody came back from.
    """

    key: str
    label: str
    unit: str
    better: Better
    definition: str
    ranks_unanswered: bool = False


def _ms(key: str, label: str, definition: str, *, ranks_unanswered: bool = False) -> Metric:
    return Metric(key, label, "ms", Better.LOWER, definition, ranks_unanswered)


METRICS: Final = (
    _ms("login", "login", "dial of the login endpoint to its answer with a token"),
    _ms("connect", "connect", "dial to connection:authenticated"),
    _ms("ack_received", "ack received", "sent to message:ack received", ranks_unanswered=True),
    _ms("ack_delivered", "ack delivered", "sent to message:ack delivered", ranks_unanswered=True),
    _ms("ttft", "time to first token", "sent to the first chunk with content", ranks_unanswered=True),
    _ms(
        "ttft_overhead",
        "ttft overhead",
        "time to first token less what the stand-in for the model took of it: the backend's share (--llm-log)",
        ranks_unanswered=True,
    ),
    _ms("stream_completion", "stream completion", "sent to the chunk with isComplete", ranks_unanswered=True),
    Metric("stream_rate", "stream rate", "chars/s", Better.HIGHER, "characters a second after the first chunk"),
    Metric("chunk_rate", "chunk rate", "chunks/s", Better.NEITHER, "chunks a second after the first chunk"),
    Metric("amplification", "amplification", "x", Better.LOWER, "bytes received of an answer over those of its text"),
    _ms("inter_chunk", "inter-chunk gap", "gaps between progress chunks, pooled over all streams"),
    _ms("longest_stall", "longest stall", "largest gap between progress chunks of a stream"),
    _ms("finish_lag", "finish lag", "last new content to completion"),
    _ms("fanout", "fan-out", "sent to message:receive at another participant", ranks_unanswered=True),
    _ms(
        "fanout_last",
        "fan-out, slowest",
        "sent to message:receive at the slowest participant",
        ranks_unanswered=True,
    ),
    _ms(
        "typing_fanout",
        "typing fan-out",
        "typing:start sent to its arrival at another participant",
        ranks_unanswered=True,
    ),
    _ms("ping_rtt", "ping round trip", "WebSocket ping to pong: the network without the application"),
    _ms("close", "close", "close frame to its answer"),
    _ms("reject", "rejection", "sent to the rate-limit error"),
    _ms("refusal", "refusal of a bad token", "dial with a token that is bad on purpose to its refusal"),
    Metric(
        "retry_after_error",
        "retry-after error",
        "ms",
        Better.NEITHER,
        "promised less real wait until a message passes again",
    ),
    _ms("outage", "outage", "connection lost to authenticated again", ranks_unanswered=True),
    _ms("notice", "notice", "connection lost to the client's knowing of it, where nothing told it (half open)"),
    Metric("backoff", "back-off", "ms", Better.NEITHER, "waits of the client's own schedule within an outage"),
    _ms(
        "reconnect",
        "reconnect",
        "outage less notice and back-off: what the server and the network took",
        ranks_unanswered=True,
    ),
    _ms("recovery", "recovery", "connection lost to the first delivered ack after it", ranks_unanswered=True),
    _ms("queue_flush", "queue flush", "authenticated to the last queued message acked", ranks_unanswered=True),
    _ms("send_lag", "send lag", "intended to sent: the generator's own delay"),
    _ms("receive_lag", "receive lag", "kernel receipt to callback: the generator's own delay, not in any latency"),
    _ms("loop_lag", "loop lag", "due to run, of a tick of the generator's event loop: how late it does anything"),
    _ms(
        "stamp_bound",
        "stamp bound",
        "a message's ack and first content arrived at most this long before their stamps",
    ),
    _ms("gap_bound", "gap bound", "an inter-chunk gap is known to within this, either way"),
)
"""Every metric, in the order of every table."""

BY_KEY: Final = {metric.key: metric for metric in METRICS}

HEADLINE: Final = ("ack_delivered", "ttft", "stream_completion")
"""What a user of a chat feels, in order: shown first, plotted by default."""

PERCENTILES: Final = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999))
"""Field name in `summary.json` and quantile."""
