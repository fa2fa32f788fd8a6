"""How a connection ended, and who ended it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct


class ClosedBy(IntEnum):
    """Who ended a connection."""

    SERVER = 0
    CLIENT = 1
    RESET = 2
    """The client, on purpose and without a close frame."""
    READ_TIMEOUT = 3
    """The client, since the connection had been silent for so long that it takes it for dead."""
    PING_TIMEOUT = 4
    """The same, and a ping was not answered either."""
    SILENCE = 5
    """The client fell silent on purpose, and noticed it."""
    RETRY = 6
    """The client, politely, to connect anew."""


HALF_OPEN: Final = (ClosedBy.SILENCE, ClosedBy.READ_TIMEOUT, ClosedBy.PING_TIMEOUT)
"""Ends of which the server is not told."""


class Closed(Struct, frozen=True):
    """How a connection ended: close code (1006 without a close frame), reason, who, and how long our close took, ns.

    `lost_ns`: when its user was without it, where that was before the end (monotonic ns): when a half-open one last
    received something, or when our close frame left.
    `quiet_ns`: how long before the end the last frame went either way, close frames left out.
    """

    code: int
    reason: str
    by: ClosedBy
    close_ns: int | None
    lost_ns: int | None = None
    quiet_ns: int | None = None
