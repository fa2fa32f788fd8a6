"""What a run has shown so far, as the counts that `notices` has its rules over: batches in, without clocks or I/O."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from loadtest.model import PREFLIGHT, Batch, Connect, Disconnect, Message, Outcome, Population, StreamState

ROOMS: Final = 10_000
"""Conversations that are looked at."""
LIVES: Final = 500
"""Ended connections that are looked at."""
_UNJUDGED: Final = frozenset({Outcome.DROPPED, Outcome.UNFINISHED})
_NO_ANSWER: Final = frozenset({StreamState.MISSING, StreamState.NOT_EXPECTED})
_UNREAD: Final = frozenset({"unknown_event", "invalid_event"})


class Life(NamedTuple):
    """A connection that the other side ended; ns."""

    length_ns: int
    quiet_ns: int
    """From its last frame to its end."""
    ended_ns: int


class Sightings:
    """Counts over all processes of one run.

    Attributes:
        failed_connects: by outcome.
        let_in: bad tokens that were accepted, by what is bad about them.
        first_connects: users that got a connection, reconnects left out.
        accounts: user ids among them.
        most_connections: open at one time.
        outcomes: of messages, without those that nobody could answer.
        errors: messages that ended in an error, by reason.
        answered, unanswered: delivered messages with and without any chunk of an answer, once that is decided.
        heard: broadcasts of other participants' messages.
        to_be_heard: instants (ns) of the first and the last delivered message with another participant around; None
            where there was none.
        messages_to_be_heard: how many there were.
        unread: events that were not understood, by type.
        lives: connections that the other side ended.
    """

    def __init__(self) -> None:
        self.failed_connects: Counter[str] = Counter()
        self.let_in: Counter[str] = Counter()
        self.first_connects = 0
        self.accounts: set[str] = set()
        self.most_connections = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.errors: Counter[str] = Counter()
        self.answered = self.unanswered = 0
        self.heard = 0
        self.to_be_heard: tuple[int, int] | None = None
        self.messages_to_be_heard = 0
        self.unread: Counter[str] = Counter()
        self.lives: list[Life] = []
        self._connections: dict[str, int] = {}
        self._rooms: dict[str, set[str]] = {}
        self._since_ns: dict[str, int] = {}

    def see(self, batch: Batch) -> None:
        """Count a batch in."""
        for connect in batch.connects:
            if connect.user_class != PREFLIGHT:
                self._see_connect(connect)
        for end in batch.disconnects:
            self._see_end(end)
        for count in batch.counters:
            if count.name in _UNREAD:
                self.unread[count.key] += count.value
            elif (count.name, count.key) == ("broadcast", "other"):
                self.heard += count.value
                self._rooms.clear()
        for message in batch.messages:
            self._see_message(message)
        for health in batch.health:
            self._connections[health.process] = health.connections
        if batch.health:
            self.most_connections = max(self.most_connections, sum(self._connections.values()))

    def _see_connect(self, connect: Connect) -> None:
        if connect.bad_token is not None:
            if connect.authenticated_ns is not None:
                self.let_in[connect.bad_token] += 1
            return
        if connect.authenticated_ns is None:
            self.failed_connects[connect.outcome] += 1
            return
        self.first_connects += not connect.reconnect
        self.accounts.add(connect.user)
        self._since_ns[connect.user] = connect.authenticated_ns

    def _see_end(self, end: Disconnect) -> None:
        since = self._since_ns.pop(end.user, None)
        if end.by == "server" and since is not None and len(self.lives) < LIVES:
            self.lives.append(Life(end.at_ns - since, end.quiet_ns or 0, end.at_ns))

    def _see_message(self, message: Message) -> None:
        meant = message.population is Population.OUTAGE and message.outcome is Outcome.LOST
        if meant or message.population is Population.INVALID or message.outcome in _UNJUDGED:
            return
        self.outcomes[message.outcome] += 1
        if message.outcome is Outcome.ERROR:
            self.errors[message.reason or "no reason given"] += 1
        if message.delivered_ns is not None:
            self.answered += message.chunks > 0
            self.unanswered += message.chunks == 0 and message.stream_state in _NO_ANSWER
            if not self.heard:
                self._see_in_room(message, message.delivered_ns)

    def _see_in_room(self, message: Message, at_ns: int) -> None:
        if message.conversation not in self._rooms and len(self._rooms) >= ROOMS:
            return
        room = self._rooms.setdefault(message.conversation, set())
        room.add(message.user)
        if len(room) > 1:
            first, last = self.to_be_heard or (at_ns, at_ns)
            self.to_be_heard = min(first, at_ns), max(last, at_ns)
            self.messages_to_be_heard += 1
