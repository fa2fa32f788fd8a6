"""At whom each message of a room is expected.

A message that was delivered is expected at every other member whose join was acked before it was sent and who was
still there a second after its delivered ack (`SETTLED_NS`). Whoever joined or left meanwhile may or may not get it: the
server may have seen it earlier or later than the client. Such pairs are ambiguous, and held against nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.model import SETTLED_NS
from loadtest.runs.columns import Bools, Ints
from loadtest.runs.rooms import Sent, Stays

_AT_ONCE: Final = 4_000_000
"""Pairs of a message and a stay that are looked at in one go: some tens of MB."""
_SHIFT: Final = 32
"""Bits of a client's number in the key of a pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of a message and a client, each once, ascending.

    Attributes:
        message: place in `Sent`. Shape n.
        client: its number. Shape n.
    """

    message: Ints
    client: Ints

    def __len__(self) -> int:
        return len(self.message)

    @property
    def keys(self) -> Ints:
        """A number for each pair. Shape n."""
        return pair_keys(self.message, self.client)

    def __getitem__(self, chosen: Bools) -> Pairs:
        return Pairs(self.message[chosen], self.client[chosen])


def pair_keys(message: Ints, client: Ints) -> Ints:
    """A number for each pair of a message and a client. Shape n."""
    keys: Ints = (message << _SHIFT) | client
    return keys


def of_keys(keys: Ints) -> Pairs:
    """The pairs of these numbers, ascending, each once."""
    unique = ascending(keys)
    return Pairs(unique >> _SHIFT, unique & ((1 << _SHIFT) - 1))


def ascending(numbers: Ints) -> Ints:
    """Each of some numbers once; by sorting, which for millions takes a tenth of the time that `np.unique` does."""
    numbers = np.sort(numbers)
    first = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return numbers[first]


def among(numbers: Ints, known: Ints) -> Bools:
    """Which of some numbers are among known ones.

    Args:
        known: ascending.
    """
    if not len(known):
        return np.zeros(len(numbers), np.bool_)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    found: Bools = known[places] == numbers
    return found


def expected(sent: Sent, stays: Stays) -> tuple[Pairs, Pairs]:
    """The pairs in which a message is expected, and those in which nobody can tell."""
    sure: list[Ints] = [np.zeros(0, np.int64)]
    unsure: list[Ints] = [np.zeros(0, np.int64)]
    by_message, by_stay = grouped(sent.conversation), grouped(stays.conversation)
    for conversation, messages in by_message.items():
        members = by_stay.get(conversation)
        if members is None:
            continue
        step = max(_AT_ONCE // len(members), 1)
        for start in range(0, len(messages), step):
            _judge(sent, messages[start : start + step], stays, members, sure, unsure)
    certain, doubtful = of_keys(np.concatenate(sure)), np.concatenate(unsure)
    return certain, of_keys(doubtful[~among(doubtful, certain.keys)])


def _judge(sent: Sent, messages: Ints, stays: Stays, members: Ints, sure: list[Ints], unsure: list[Ints]) -> None:
    sent_ns, settled_ns = sent.sent_ns[messages][:, None], sent.delivered_ns[messages][:, None] + SETTLED_NS
    joined, left = stays.from_ns[members], stays.until_ns[members]
    others = stays.client[members] != sent.client[messages][:, None]
    there = others & (joined <= sent_ns) & (left >= settled_ns)
    maybe = others & ~there & (joined <= settled_ns) & (left >= sent_ns)
    for hits, found in ((there, sure), (maybe, unsure)):
        rows, columns = np.nonzero(hits)
        found.append(pair_keys(messages[rows], stays.client[members][columns]))


def grouped(conversations: Ints) -> dict[int, Ints]:
    """Places by conversation."""
    order = np.argsort(conversations, kind="stable")
    names, starts = np.unique(conversations[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True)) if len(order) else {}
