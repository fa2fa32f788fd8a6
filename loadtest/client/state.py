"""Where a client is between being away and being taken in."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The states of the browser client."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    AUTHENTICATED = "authenticated"
    RECONNECTING = "reconnecting"
    ERROR = "error"
    """Gave up: attempts spent, or the token refused for good."""
