"""What a run recorded of its rooms, unpacked into columns: one numpy array a field."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadtest.model import Outcome, Receipts, Stay, Typed
from loadtest.runs.columns import MISSING, Ints

BROADCAST: Final = "message:receive"
QUERY: Final = (
    "SELECT rowid, message_id, user, conversation, client, ifnull(digest, -1), sent_ns, delivered_ns FROM messages "
    f"WHERE client IS NOT NULL AND outcome = '{Outcome.DELIVERED}' AND delivered_ns IS NOT NULL"
)

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """Messages of rooms that were delivered. Each array of shape m.

    Attributes:
        row: place in `Messages`.
        user: number of the sender's user, into `RoomRecords.names`; `conversation` likewise.
        client: number of the sending client.
        digest: CRC-32 of the content.
    """

    row: Ints
    user: Codes
    conversation: Codes
    client: Ints
    digest: Ints
    sent_ns: Ints
    delivered_ns: Ints

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """Receipts, in the order of writing. Each array of shape r.

    Attributes:
        message: place in `Sent`; -1 for a message that is not there, and for typing.
        client: number of the client that received it.
        order: place among all that this client received.
        author: number of the author that the event names; -1 where it names none.
        digest: CRC-32 of the content; -1 for typing.
    """

    message: Ints
    conversation: Codes
    client: Ints
    order: Ints
    at_ns: Ints
    author: Codes
    digest: Ints

    def __len__(self) -> int:
        return len(self.message)


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Times in which clients were members. Each array of shape s."""

    client: Ints
    user: Codes
    conversation: Codes
    from_ns: Ints
    until_ns: Ints

    def __len__(self) -> int:
        return len(self.client)


@dataclass(frozen=True, slots=True, eq=False)
class RoomRecords:
    """All of it.

    Attributes:
        names: of users, authors and conversations, by their numbers.
        typed: typing events that were sent.
        typing: receipts of typing events, by `typing:start` and `typing:stop`.
    """

    names: tuple[str, ...]
    sent: Sent
    received: Received
    stays: Stays
    typed: tuple[Typed, ...]
    typing: dict[str, Received]

    def number(self, name: str) -> int:
        """The number of a name; -1 where no record has it."""
        return self.names.index(name) if name in self.names else -1


class _Numbers(dict[str, int]):
    """Numbers names as they come."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


def room_records(
    messages: list[tuple[Any, ...]], receipts: list[Receipts], stays: list[Stay], typed: list[Typed]
) -> RoomRecords:
    """Unpack records.

    Args:
        messages: rows of `QUERY`.
    """
    numbers = _Numbers()
    places = {row[1]: place for place, row in enumerate(messages)}
    table = np.array([(r[0] - 1, numbers[r[2]], numbers[r[3]], *r[4:]) for r in messages], np.int64).reshape(-1, 7)
    lived = np.array([(s.client, numbers[s.user], numbers[s.conversation], s.from_ns, s.until_ns) for s in stays],
                     np.int64).reshape(-1, 5)  # fmt: skip
    for each in typed:
        _ = numbers[each.user], numbers[each.conversation]
    by_event = {
        event: _received([row for row in receipts if row.event == event], places, numbers)
        for event in (BROADCAST, "typing:start", "typing:stop")
    }
    received = by_event.pop(BROADCAST)
    return RoomRecords(tuple(numbers), Sent(*table.T), received, Stays(*lived.T), tuple(typed), by_event)


def _received(rows: list[Receipts], places: dict[str, int], numbers: _Numbers) -> Received:
    sizes = [len(row.clients) // 4 for row in rows]

    def each(values: list[int]) -> Ints:
        return np.repeat(np.array(values, np.int64), sizes)

    def joined(name: str, kind: str) -> Ints:
        return np.frombuffer(b"".join(getattr(row, name) for row in rows), kind).astype(np.int64)

    return Received(
        message=each([places.get(row.message_id, MISSING) for row in rows]),
        conversation=each([numbers[row.conversation] for row in rows]),
        client=joined("clients", "<u4"),
        order=joined("orders", "<u4"),
        at_ns=joined("at_ns", "<i8"),
        author=each([MISSING if row.author is None else numbers[row.author] for row in rows]),
        digest=each([MISSING if row.digest is None else row.digest for row in rows]),
    )


def fetch(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The rows of `QUERY`, in the order of writing."""
    return database.execute(f"{QUERY} ORDER BY rowid").fetchall()
