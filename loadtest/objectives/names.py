"""What can be asked about, beside the metrics of `loadtest.metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadtest.model import Outcome, StreamState

RATIOS: Final[Mapping[str, str]] = {
    "delivered_ratio": "delivered, of headline messages intended in the steady window",
    "stream_complete_ratio": "answers completed, of those that delivered headline messages were to get",
    "goodput": "delivered within the limit of every per-message objective, of headline messages intended in the window",
    "connect_ratio": "authenticated, of attempts to connect, over the whole run",
}
"""Ratio to its definition; more is better of each."""

COUNTS: Final = (
    "sent", "sent_on_wire", *(str(outcome) for outcome in Outcome), "offered", "unaccounted", "lost_with_workers",
    "rejected_within_limit",
    "leaks", "limit_leaks", "false_rejections", "limit_ambiguous", "invalid", "invalid_refused", "invalid_admitted",
    "intruders", "intruders_refused", "intruders_admitted", "auth_recoveries", "duplicates", "stream_violations",
    "streams_started",
    *(f"streams_{state}" for state in StreamState), "frames_received", "bytes_received", "bytes_received_on_wire",
    "bytes_sent", "bytes_sent_on_wire", "logins", "login_failures", "logins_broken_off", "connects",
    "connect_failures", "auth_failures", "disconnects", "reconnects", "outages", "outages_on_purpose",
    "outages_unrecovered", "unknown_events", "broadcasts_expected", "broadcasts_seen", "broadcasts_ambiguous",
    "broadcasts_missing", "broadcasts_doubled", "broadcasts_altered", "broadcasts_misnamed", "broadcasts_reordered",
)  # fmt: skip
"""Names among `counts` of `summary.json`, over the whole run."""

PER_MESSAGE: Final = (
    "ack_received", "ack_delivered", "ttft", "stream_completion", "stream_rate", "longest_stall", "finish_lag",
)  # fmt: skip
"""Metrics that a message has one value of."""

BY_MESSAGE: Final = frozenset({*PER_MESSAGE, "ttft_overhead", "inter_chunk", "fanout", *RATIOS} - {"connect_ratio"})
"""What messages are the samples of: the longer a run, the more there are. Of connections it has one for each user."""

LIVE: Final = (
    "ack_received", "ack_delivered", "ttft", "stream_completion", "delivered_ratio", "stream_complete_ratio",
    *(str(outcome) for outcome in Outcome if outcome is not Outcome.DELIVERED), "duplicates", "stream_violations",
    "connect_failures", "disconnects", "unknown_events",
)  # fmt: skip
"""What can be watched while a run goes on."""

MAX: Final = "max"
"""Beside the percentiles, the only statistic of a metric."""
