"""The work that every client does: the same messages, the same frames."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

TEXT: Final = "How do I get to the station from here?  "
"""What every client sends: 40 characters."""
ACKS: Final = 3
"""Frames before the answer: ack received, the broadcast, ack delivered."""


class Work(Struct, frozen=True):
    """One load, as the clients and the server are asked for it.

    Attributes:
        users: connections.
        messages: of each user, in the measured run.
        fewer: of each user, in the run whose CPU is taken off; it holds start and end.
        chunks: frames of an answer before its completion.
        gap_ms: mean between the chunks, which are half to one and a half of it apart; 0 sends them at once.
        interval_ms: between the messages of a user; 0 sends the next one when the answer is complete (closed loop).
        hold: keep the connections until a signal.
    """

    name: str
    users: int
    messages: int
    fewer: int = 0
    chunks: int = 20
    gap_ms: int = 0
    interval_ms: float = 0.0
    hold: bool = False

    @property
    def frames_a_message(self) -> int:
        return ACKS + self.chunks + 1

    def environment(self, port: int, token: str) -> dict[str, str]:
        """What a client reads; times in microseconds."""
        return {
            "PEERS_PORT": str(port),
            "PEERS_TOKEN": token,
            "PEERS_USERS": str(self.users),
            "PEERS_MESSAGES": str(self.messages),
            "PEERS_INTERVAL_US": str(round(self.interval_ms * 1e3)),
            "PEERS_HOLD": str(int(self.hold)),
            "PEERS_TEXT": TEXT,
        }


CLOSED: Final = Work("closed", users=100, messages=50, fewer=5)
"""As fast as server and client go; frames come in heaps, a read brings many."""
PACED: Final = Work("paced", users=100, messages=18, fewer=3, chunks=40, gap_ms=14, interval_ms=2000 / 3)
"""1.5 messages/s of each user for 12 s, answers of 0.57 s: 6,600 frames/s one by one, the everyday load."""
WORKS: Final = {work.name: work for work in (CLOSED, PACED)}


def held(users: int) -> Work:
    """Connections that have had two answers each and then wait."""
    return Work("held", users=users, messages=2, hold=True)


def idle(users: int) -> Work:
    """Connections that only authenticate."""
    return Work("idle", users=users, messages=0, hold=True)
