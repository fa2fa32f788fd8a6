"""Typing events: who should have been told, who was, after how long, and whether typing ends when nobody says so.

A typing event has no id. A receipt belongs to the last event of its author that had been sent by then, so that a delay
longer than the time to that author's next start is counted as that one's. Starts that come faster than the guide's one
a second are judged by the number of receipts instead: as many as were too many are to be missing, also when those of
the starts just before are counted along, which may come as late as among them.

Who types has to be in the conversation by what its own connection knows: what it sent into a connection that was half
open by then may or may not have arrived, and nobody knows whether who has not joined is heard.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np

from loadtest.analysis.rooms.faults import names_of
from loadtest.analysis.rooms.values import Starts, Typing
from loadtest.model import SETTLED_NS, Typed
from loadtest.protocol import TYPING_AUTO_STOP_S, TYPING_MIN_INTERVAL_S
from loadtest.runs.columns import MISSING, Ints
from loadtest.runs.rooms import Received, RoomRecords

START: Final = "typing:start"
STOP: Final = "typing:stop"
_JITTER_NS: Final = 100_000_000
"""Room for the jitter of two journeys to the server beside the second that it allows no second start in."""
_MIN_INTERVAL_NS: Final = round(TYPING_MIN_INTERVAL_S * 1e9) + _JITTER_NS
_TOO_SOON_NS: Final = round(TYPING_MIN_INTERVAL_S * 1e9) - _JITTER_NS
_AUTO_STOP_NS: Final = round(TYPING_AUTO_STOP_S * 1e9)
_EARLIEST_NS: Final = -(2**63)
_LATEST_NS: Final = 2**63 - 1

_Heard = Mapping[tuple[int, int, int], list[int]]
"""Client, conversation and author to the instants at which it heard, ascending."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that members are to be told once.

    Attributes:
        typed: the start that it is, or that it ends.
        from_ns: the earliest that a receipt can have come.
        until_ns: receipts from here on are those of the next event.
        due_ns: who is told has to be a member from the start until a second after this.
        automatic: whether the server is to find out by itself.
    """

    typed: Typed
    from_ns: int
    until_ns: int
    due_ns: int
    automatic: bool = False

    @property
    def began_ns(self) -> int:
        """When the start was sent."""
        return self.typed.sent_ns


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One event at one member each; arrays of shape n.

    Attributes:
        event: place of the event.
        sent_ns: when the start was sent.
        took_ns: from `sent_ns`; `MISSING` where the member was never told.
        automatic: as of the event.
    """

    event: Ints
    sent_ns: Ints
    took_ns: Ints
    automatic: Ints

    def __len__(self) -> int:
        return len(self.event)

    @property
    def seen(self) -> int:
        """How many were told."""
        return int((self.took_ns != MISSING).sum())


@dataclass(frozen=True, slots=True)
class Hurry:
    """Starts of one connection that come within a second of each other.

    Attributes:
        first, last: of them.
        most: of them that a server may pass on.
        surplus: the others.
        until_ns: receipts from here on are those of later starts.
        before_ns: when the starts before them began, of which some may be told as late as among these.
        before: of those that a server may pass on.
    """

    first: Typed
    last: Typed
    most: int
    surplus: int
    until_ns: int
    before_ns: int
    before: int

    @property
    def began_ns(self) -> int:
        """When the first was sent."""
        return self.first.sent_ns

    @property
    def due_ns(self) -> int:
        """When the last was sent."""
        return self.last.sent_ns


@dataclass(frozen=True, slots=True)
class Surplus:
    """Starts beyond one a second.

    Attributes:
        starts: where somebody was there to be told of them.
        ignored, passed_on: the same at one member each.
    """

    starts: int
    ignored: int
    passed_on: int


@dataclass(frozen=True, slots=True, eq=False)
class TypingJudged:
    """The typing of a run; `sent` are its starts."""

    starts: Told
    stops: Told
    surplus: Surplus
    sent: int

    def summary(self, echoes: int) -> Typing | None:
        """The numbers of it; None where nobody typed.

        Args:
            echoes: events that came back to who typed.
        """
        if not self.sent and not echoes:
            return None
        automatic = self.stops.automatic == 1
        took = self.stops.took_ns[automatic & (self.stops.took_ns != MISSING)] / 1e6
        told, surplus = len(np.unique(self.starts.event)), self.surplus
        left = self.sent - told - surplus.starts
        return Typing(
            starts=told,
            expected=len(self.starts),
            seen=self.starts.seen,
            stops_expected=len(self.stops),
            stops_seen=self.stops.seen,
            automatic=len(np.unique(self.stops.event[automatic])),
            automatic_ms=(round(float(took.min()), 3), round(float(took.max()), 3)) if len(took) else None,
            echoes=echoes,
            ledger=Starts(self.sent, told, surplus.starts, left, surplus.ignored, surplus.passed_on),
        )


def judge_typing(records: RoomRecords) -> TypingJudged:
    """Hold what was typed against what was heard."""
    known = records.received.message != MISSING
    users = records.sent.user[records.received.message[known]]
    authors = names_of(users, records.received.author[known]) if known.any() else {}
    numbers = {name: number for number, name in enumerate(records.names)}
    groups: dict[tuple[str, str], list[Typed]] = {}
    for typed in sorted(records.typed, key=lambda typed: typed.sent_ns):
        groups.setdefault((typed.user, typed.conversation), []).append(typed)
    members, heard = _Members(records, numbers, authors), _heard(records.typing[START])
    return TypingJudged(
        members.told(_each_tab(starts, groups.values(), START), heard),
        members.told(_each_tab(stops, groups.values(), STOP), _heard(records.typing[STOP])),
        members.surplus(_each_tab(hurries, groups.values(), START), heard),
        sum(typed.event == START for typed in records.typed),
    )


_Found = TypeVar("_Found", Event, Hurry)


def _each_tab(
    find: Callable[[Sequence[Typed]], list[_Found]], groups: Iterable[Sequence[Typed]], told: str
) -> Iterator[_Found]:
    """What is found of each connection, but for what another one of the same user makes doubtful.

    A receipt tells the user and not the connection, so that what two of them do at about the same time is not judged,
    and what comes once another one has done the like is of that.

    Args:
        told: what the members hear of it, `START` or `STOP`.
    """
    for typed in groups:
        clients = {each.client for each in typed}
        for client in clients:
            others = [each for each in typed if each.client != client]
            instants = [each.sent_ns for each in others]
            alike = [each.sent_ns for each in others if (each.event == START) == (told == START)]
            for found in find([each for each in typed if each.client == client]):
                near = bisect_left(instants, found.began_ns - _MIN_INTERVAL_NS)
                if near == len(instants) or instants[near] > found.due_ns + _MIN_INTERVAL_NS:
                    yield replace(found, until_ns=min(found.until_ns, _first(alike, found.due_ns)))


def _first(instants: Sequence[int], from_ns: int) -> int:
    place = bisect_left(instants, from_ns)
    return instants[place] if place < len(instants) else _LATEST_NS


def starts(typed: Sequence[Typed]) -> list[Event]:
    """The starts of one connection in one conversation that the members are to be told of.

    One within a second of another is ignored by the server (guide, Typing Events), and one that is nearly so may be.

    Args:
        typed: what it sent there, in order.
    """
    sent = [each for each in typed if each.event == START]
    ends = [*(each.sent_ns for each in sent[1:]), _LATEST_NS]
    before = [_EARLIEST_NS, *(each.sent_ns for each in sent)]
    return [
        Event(each, each.sent_ns, end, each.sent_ns)
        for each, end, previous in zip(sent, ends, before, strict=False)
        if each.sent_ns - previous >= _MIN_INTERVAL_NS
    ]


def stops(typed: Sequence[Typed]) -> list[Event]:
    """The ends of these: what the user or the loss of its connection ended, and what the server is to end itself."""
    told = {id(event.typed) for event in starts(typed)}
    found: list[Event] = []
    for each, after in pairwise([*typed, None]):
        if each is None or id(each) not in told:
            continue
        if after is not None and after.event == START and after.sent_ns - each.sent_ns < _AUTO_STOP_NS + _JITTER_NS:
            continue  # it goes on typing
        limit = each.sent_ns + _AUTO_STOP_NS
        if after is None or after.sent_ns >= limit:
            found.append(Event(each, limit - _JITTER_NS, limit + _AUTO_STOP_NS, limit, automatic=True))
        else:
            # of a connection that is gone the server may know, and tell the others, before its client does
            earliest = after.sent_ns if after.event == STOP else each.sent_ns
            found.append(Event(each, earliest, after.sent_ns + _AUTO_STOP_NS, after.sent_ns))
    return [event for event, last in zip(found, [None, *found], strict=False) if not _in_doubt(event, last)]


def _in_doubt(event: Event, last: Event | None) -> bool:
    """Whether the stop before may arrive as late as that it would be taken for the server's own."""
    return event.from_ns == event.began_ns and last is not None and event.from_ns - last.due_ns < SETTLED_NS


def hurries(typed: Sequence[Typed]) -> list[Hurry]:
    """Where one connection sends more starts into one conversation than one a second.

    Whether the server counts a second from the last start or from the last one that it took, it passes on no more of
    them than have a second between each other.

    Args:
        typed: what it sent there, in order.
    """
    sent = [each for each in typed if each.event == START]
    cuts = [place for place in range(1, len(sent)) if sent[place].sent_ns - sent[place - 1].sent_ns >= _MIN_INTERVAL_NS]
    found = []
    before_ns, before = _EARLIEST_NS, 0
    for begin, end in pairwise([0, *cuts, len(sent)]):
        together = sent[begin:end]
        most, last_ns = 0, _EARLIEST_NS
        for each in together:
            if each.sent_ns - last_ns >= _TOO_SOON_NS:
                most, last_ns = most + 1, each.sent_ns
        if most < len(together):
            until_ns = sent[end].sent_ns if end < len(sent) else _LATEST_NS
            surplus = len(together) - most
            found.append(Hurry(together[0], together[-1], most, surplus, until_ns, before_ns, before))
        before_ns, before = together[0].sent_ns if together else _EARLIEST_NS, most
    return found


class _Members:
    """Who is to be told: the members of a conversation but the author, whichever connection it types at.

    Nobody is of what the author did while its own connection was not known to be in the conversation.
    """

    def __init__(self, records: RoomRecords, numbers: Mapping[str, int], authors: Mapping[int, int]) -> None:
        stays = records.stays
        self._numbers = numbers
        self._authors = authors
        self._stays: dict[int, list[tuple[int, int, int, int]]] = {}
        for conversation, *stay in zip(
            stays.conversation.tolist(), stays.client.tolist(), stays.user.tolist(), stays.from_ns.tolist(),
            stays.until_ns.tolist(), strict=True,
        ):  # fmt: skip
            self._stays.setdefault(conversation, []).append(tuple(stay))

    def told(self, events: Iterable[Event], heard: _Heard) -> Told:
        rows = [
            (place, event.typed.sent_ns, took, event.automatic)
            for place, event in enumerate(events)
            for took in self._each(event, heard)
        ]
        return Told(*np.array(rows, np.int64).reshape(-1, 4).T)

    def _each(self, event: Event, heard: _Heard) -> Iterator[int]:
        for instants in self._others(event.typed, event.due_ns, heard):
            place = bisect_left(instants, event.from_ns)
            came = place < len(instants) and instants[place] < event.until_ns
            yield instants[place] - event.typed.sent_ns if came else MISSING

    def surplus(self, hurries: Iterable[Hurry], heard: _Heard) -> Surplus:
        starts = ignored = passed_on = 0
        for hurry in hurries:
            others = list(self._others(hurry.first, hurry.due_ns, heard))
            starts += hurry.surplus if others else 0
            for instants in others:
                until = bisect_left(instants, hurry.until_ns)
                beyond = until - bisect_left(instants, hurry.began_ns) - hurry.most
                in_both = until - bisect_left(instants, hurry.before_ns) - hurry.most - hurry.before
                beyond = min(max(min(beyond, in_both), 0), hurry.surplus)
                passed_on, ignored = passed_on + beyond, ignored + hurry.surplus - beyond
        return Surplus(starts, ignored, passed_on)

    def _others(self, typed: Typed, due_ns: int, heard: _Heard) -> Iterator[list[int]]:
        """What each member heard of who types, that was there from a start until a second after it was due."""
        conversation, user = self._numbers[typed.conversation], self._numbers[typed.user]
        author, stays = self._authors.get(user, user), self._stays.get(conversation, ())
        began_ns = typed.sent_ns
        if any(client == typed.client and joined <= began_ns and left >= due_ns for client, _, joined, left in stays):
            for client, member, joined, left in stays:
                if member != user and joined <= began_ns and left >= due_ns + SETTLED_NS:
                    yield heard.get((client, conversation, author), [])


def _heard(received: Received) -> _Heard:
    found: dict[tuple[int, int, int], list[int]] = {}
    columns = (received.client, received.conversation, received.author, received.at_ns)
    for client, conversation, author, at_ns in zip(*(column.tolist() for column in columns), strict=True):
        found.setdefault((client, conversation, author), []).append(at_ns)
    return {key: sorted(instants) for key, instants in found.items()}
