"""One attempt to connect while its end is not known, and the record that comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.client.dial import Dialled
from loadtest.client.message import Identity
from loadtest.model import Connect


@dataclass(slots=True, eq=False)
class OpenAttempt:
    """Instants are monotonic ns. See `model.Connect` for what becomes its record."""

    began_ns: int
    reconnect: bool
    number: int | None
    """By the schedule; None for the one that waits for nothing."""
    backoff_ns: int | None
    trace_id: str | None
    dialled: Dialled | None = None
    outcome: str = ""
    detail: str | None = None
    authenticated_ns: int | None = None

    def record(self, identity: Identity, bad_token: str | None, now_ns: int) -> Connect:
        """The record of an attempt that has ended.

        Args:
            bad_token: what was wrong with its token on purpose.
        """
        dialled = self.dialled
        return Connect(
            user=identity.user,
            user_class=identity.user_class,
            began_ns=self.began_ns,
            outcome=self.outcome,
            reconnect=self.reconnect,
            detail=self.detail,
            tcp_ns=dialled.tcp_ns if dialled else None,
            proxy_ns=dialled.proxy_ns if dialled else None,
            tls_ns=dialled.tls_ns if dialled else None,
            upgrade_ns=dialled.upgrade_ns if dialled else None,
            auth_ns=self._auth_ns(),
            authenticated_ns=self.authenticated_ns,
            trace_id=self.trace_id,
            attempt=self.number,
            backoff_ns=self.backoff_ns,
            ended_ns=now_ns if self.authenticated_ns is None else self.authenticated_ns,
            bad_token=bad_token,
        )

    def _auth_ns(self) -> int | None:
        """What is left of the time to be authenticated once the dial is taken off."""
        dialled = self.dialled
        if dialled is None or self.authenticated_ns is None:
            return None
        before = dialled.tcp_ns + (dialled.proxy_ns or 0) + (dialled.tls_ns or 0) + dialled.upgrade_ns
        return max(self.authenticated_ns - self.began_ns - before, 0)
