"""What goes wrong with one connection on order: its handshake, its token, its end."""

from __future__ import annotations

import asyncio

from ..auth import TOKEN_BAD, Refusal
from .kinds import Fault
from .script import Script

INTRUDER = "intruder"
"""User that a connection without a good token is let in as."""


class ConnectionFaults:
    """Follows a script; an empty one changes nothing.

    Args:
        script: what is to go wrong, and when.
    """

    def __init__(self, script: Script) -> None:
        self._script = script

    async def handshake(self) -> None:
        """An upgrade was asked for: wait as long as ordered."""
        if order := self._script.due(Fault.HANDSHAKE_SLOW):
            self._script.did(Fault.HANDSHAKE_SLOW)
            await asyncio.sleep(order.value)

    def judged(self, verdict: str | Refusal) -> str | Refusal:
        """What becomes of the verdict on a token."""
        bad = isinstance(verdict, Refusal)
        fault = Fault.AUTH_LET_IN if bad else Fault.AUTH_REFUSE
        if not self._script.due(fault):
            return verdict
        self._script.did(fault)
        return INTRUDER if bad else TOKEN_BAD

    def outlives(self) -> bool:
        """Whether a connection that has ended stays a member of its conversation."""
        if not self._script.due(Fault.GHOST):
            return False
        self._script.did(Fault.GHOST)
        return True
