"""The time of day, as the server's events carry it."""

from __future__ import annotations

import time

from loadtest.protocol import timestamp


def now_iso() -> str:
    """Now, ISO 8601 with milliseconds, UTC."""
    return timestamp(time.time())
