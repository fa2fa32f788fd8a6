"""What is wrong with a server's `timestamp`. No latency hangs on one; what is wrong is counted. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from loadtest.protocol import Timestamp

MISSING: Final = "missing"
NO_TEXT: Final = "not a text"
UNREADABLE: Final = "unreadable"
HOURS_OFF: Final = "more than an hour off"
YEARS_OFF: Final = "more than a year off"

_SAME: Final = len("2026-01-01T00:")
"""Stamps that agree so far are of the same hour: the common case, and cheap."""
_HOUR_S: Final = 3600.0
_YEAR_S: Final = 365 * 24 * _HOUR_S


def fault(stamp: Timestamp, sent: str) -> str | None:
    """What is wrong with the timestamp of a reply.

    Args:
        sent: the timestamp of the message that it answers, by our own clock; a reply is younger by no more than the
            reply timeout.
    """
    if isinstance(stamp, str) and stamp[:_SAME] == sent[:_SAME]:
        return None
    if stamp is None:
        return MISSING
    if not isinstance(stamp, str):
        return NO_TEXT
    theirs, ours = _instant(stamp), _instant(sent)
    if theirs is None:
        return UNREADABLE
    if ours is None:
        return None
    off = abs(theirs - ours)
    return YEARS_OFF if off > _YEAR_S else HOURS_OFF if off > _HOUR_S else None


def _instant(stamp: str) -> float | None:
    """Unix seconds of an ISO 8601 text, UTC where it names no zone; None where it is none."""
    try:
        read = datetime.fromisoformat(stamp)
        return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
