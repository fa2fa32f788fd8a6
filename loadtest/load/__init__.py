"""The Locust side: import `ChatUser` from here in a locustfile, and our options, records and run folders come with it.

`import locust` patches the standard library's sockets, so it happens only when a name of this list is asked for, and
the pure modules of this folder (`schedule`, `recorder`, ...) can be imported without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.load.actions import Action
    from loadtest.load.behaviours import (
        AboveLimit,
        AtLimit,
        FallingSilent,
        InRoom,
        Leaving,
        Listening,
        Roaming,
        SlowReading,
        Typing,
    )
    from loadtest.load.intruders import Intruding
    from loadtest.load.limit_users import Polite, Probing
    from loadtest.load.shapes import Ramp, Soak, Spike, Staged, Steps
    from loadtest.load.stages import Stage
    from loadtest.load.users import ChatUser
    from loadtest.settings import Rate

__all__ = [
    "AboveLimit",
    "Action",
    "AtLimit",
    "ChatUser",
    "FallingSilent",
    "InRoom",
    "Intruding",
    "Leaving",
    "Listening",
    "Polite",
    "Probing",
    "Ramp",
    "Rate",
    "Roaming",
    "SlowReading",
    "Soak",
    "Spike",
    "Stage",
    "Staged",
    "Steps",
    "Typing",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from loadtest.load import behaviours, intruders, limit_users, shapes, users  # noqa: PLC0415
    from loadtest.load.plugin import listeners  # noqa: PLC0415

    listeners.register()
    return next(
        getattr(home, name) for home in (users, behaviours, limit_users, intruders, shapes) if hasattr(home, name)
    )
