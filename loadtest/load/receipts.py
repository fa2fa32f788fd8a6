"""What the clients of one process receive in rooms, packed: a row for each event, not for each receiver."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loadtest.model import Receipts, Stay, Typed

RECENT: Final = 20_000
"""Messages of this process whose sending is remembered, for the live row of fan-out alone."""
_Key = tuple[str, str, str, str | None, int | None]


@dataclass(slots=True)
class _Open:
    """The receipts of one event since the last take."""

    clients: array[int] = field(default_factory=lambda: array("I"))
    orders: array[int] = field(default_factory=lambda: array("I"))
    at_ns: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class _Fanout:
    """One message of this process, and its receivers here as far as they have been taken."""

    sent_ns: int
    receivers: int = 0
    last_ns: int = 0
    grows: bool = True
    """Whether some of them were taken since `tell_settled`."""


class ReceiptLog:
    """See `client.room.RoomLog`.

    Args:
        on_last: told how long the slowest receiver in this process waited (ns), where the sender is here too.
    """

    def __init__(self, on_last: Callable[[int], None]) -> None:
        self._on_last = on_last
        self._open: dict[_Key, _Open] = {}
        self._sent: dict[str, int] = {}
        self._fanouts: dict[str, _Fanout] = {}
        self._stays: list[Stay] = []
        self._typed: list[Typed] = []

    def received(
        self,
        event: str,
        conversation: str,
        message_id: str,
        author: str | None,
        content_digest: int | None,
        client: int,
        order: int,
        at_ns: int,
    ) -> None:
        key = (event, conversation, message_id, author, content_digest)
        entry = self._open.get(key)
        if entry is None:
            entry = self._open[key] = _Open()
        entry.clients.append(client)
        entry.orders.append(order)
        entry.at_ns.append(at_ns)

    def left(self, message_id: str, sent_ns: int) -> None:
        """A message of this process left."""
        self._sent[message_id] = sent_ns
        if len(self._sent) > RECENT:
            del self._sent[next(iter(self._sent))]

    def stayed(self, stay: Stay) -> None:
        self._stays.append(stay)

    def typed(self, typed: Typed) -> None:
        self._typed.append(typed)

    def __len__(self) -> int:
        """Rows to be taken."""
        return len(self._open)

    def take(self, most: int) -> list[Receipts]:
        """The oldest rows, at most so many."""
        return [self._packed(key, self._open.pop(key)) for key in list(self._open)[:most]]

    def tell_settled(self) -> None:
        """Tell of the messages whose receivers had all been taken when this was last called."""
        self._tell([message_id for message_id, found in self._fanouts.items() if not found.grows])
        for found in self._fanouts.values():
            found.grows = False

    def tell_all(self) -> None:
        """Tell of all messages: no more receivers come."""
        for key, entry in self._open.items():
            self._count_in(key[2], entry)
        self._tell(list(self._fanouts))

    def take_stays(self) -> list[Stay]:
        """Stays that ended since the last take."""
        taken, self._stays = self._stays, []
        return taken

    def take_typed(self) -> list[Typed]:
        """Typing events sent since the last take."""
        taken, self._typed = self._typed, []
        return taken

    def _packed(self, key: _Key, entry: _Open) -> Receipts:
        self._count_in(key[2], entry)
        return Receipts(
            *key,
            clients=np.array(entry.clients, "<u4").tobytes(),
            orders=np.array(entry.orders, "<u4").tobytes(),
            at_ns=np.array(entry.at_ns, "<i8").tobytes(),
        )

    def _count_in(self, message_id: str, entry: _Open) -> None:
        sent = self._sent.get(message_id)
        if sent is not None:
            found = self._fanouts.setdefault(message_id, _Fanout(sent))
            found.receivers += len(entry.at_ns)
            found.last_ns, found.grows = max(found.last_ns, *entry.at_ns), True

    def _tell(self, message_ids: list[str]) -> None:
        for message_id in message_ids:
            found = self._fanouts.pop(message_id)
            if found.receivers > 1:  # the sender gets its own message, too
                self._on_last(found.last_ns - found.sent_ns)
