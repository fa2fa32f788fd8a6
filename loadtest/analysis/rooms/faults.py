"""What is wrong with the broadcasts that members received: doubled, altered, misnamed, or in different orders."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import lt
from typing import Final

import numpy as np

from loadtest.analysis.rooms.expected import pair_keys
from loadtest.runs.columns import MISSING, Bools, Ints
from loadtest.runs.rooms import Received, Sent

_SHIFT: Final = 32


def doubled(received: Received) -> Bools:
    """Receipts of what the same client had received before. Shape r."""
    again = np.zeros(len(received), np.bool_)
    keys = pair_keys(received.message, received.client)
    order = np.argsort(keys, kind="stable")  # what comes twice comes in the order of writing
    keys, message = keys[order], received.message[order]
    again[order[1:]] = (keys[1:] == keys[:-1]) & (message[1:] != MISSING)
    return again


def altered(sent: Sent, received: Received) -> Bools:
    """Receipts of another content than was sent. Shape r."""
    known = received.message != MISSING
    wrong = np.zeros(len(received), np.bool_)
    wrong[known] = received.digest[known] != sent.digest[received.message[known]]
    return wrong


def misnamed(sent: Sent, received: Received) -> Bools:
    """Receipts that name another author than the sender. Shape r.

    What a server calls a user is learned from the receipts, since a token may not tell: its own name where it is ever
    called so, else what it is called most often. A server that names no authors misnames none.
    """
    wrong = np.zeros(len(received), np.bool_)
    known = np.flatnonzero(received.message != MISSING)
    senders, authors = sent.user[received.message[known]], received.author[known]
    names = names_of(senders, authors)
    users = np.array(sorted(names), np.int64)
    called = np.array([names[user] for user in users.tolist()], np.int64)
    if len(known):
        wrong[known] = authors != called[np.searchsorted(users, senders)]
    return wrong


def names_of(users: Ints, authors: Ints) -> dict[int, int]:
    """What the server calls each user; users and authors are numbers of names, one of each a receipt."""
    pairs, counts = np.unique((users << _SHIFT) + authors, return_counts=True)
    of, called = (pairs + 1) >> _SHIFT, pairs - (((pairs + 1) >> _SHIFT) << _SHIFT)  # an author may be -1
    found: dict[int, int] = {}
    for user, author, _ in sorted(
        zip(of.tolist(), called.tolist(), counts.tolist(), strict=True),
        key=lambda each: (each[0] == each[1], each[2]),
    ):
        found[user] = author
    return found


def reordered(received: Received, again: Bools) -> Ints:
    """Messages that two members received in different orders: their places in `Sent`, ascending.

    In each conversation the client that received most is the one that the others are held against, by the messages that
    both received. Of those that do not agree, the fewest are taken that, left out, let the rest agree: a single message
    that is late at a single member counts alone. The order is that of the frames, so that shared stamps do no harm.

    Args:
        again: which receipts are doubled.
    """
    rows = np.flatnonzero(~again & (received.message != MISSING))
    rows = rows[np.lexsort((received.order[rows], received.client[rows], received.conversation[rows]))]
    conversation, client = received.conversation[rows], received.client[rows]
    cuts = np.flatnonzero((np.diff(conversation) != 0) | (np.diff(client) != 0)) + 1
    rooms: dict[int, list[Ints]] = {}
    for part in np.split(rows, cuts) if len(rows) else []:
        rooms.setdefault(int(received.conversation[part[0]]), []).append(received.message[part])
    found: set[int] = set()
    for sequences in rooms.values():
        reference = max(sequences, key=len)
        rank = {message: place for place, message in enumerate(reference.tolist())}
        for sequence in sequences:
            common = [message for message in sequence.tolist() if message in rank]
            found |= {common[place] for place in out_of_order([rank[message] for message in common])}
    return np.array(sorted(found), np.int64)


def flushed_out_of_order(sent: Sent, received: Received, again: Bools, flush: Ints, rank: Ints) -> Ints:
    """Messages of a flushed queue that another member received out of their order: places in `Sent`, ascending.

    Args:
        again: which receipts are doubled.
        flush: number of the flush that each message left in, `MISSING` where it had not waited. Shape m.
        rank: what ascends in the order of sending, within a flush. Shape m.
    """
    rows = np.flatnonzero(~again & (received.message != MISSING))
    of = received.message[rows]
    rows = rows[(flush[of] != MISSING) & (received.client[rows] != sent.client[of])]
    rows = rows[np.lexsort((received.order[rows], received.client[rows], flush[received.message[rows]]))]
    of, client = received.message[rows], received.client[rows]
    cuts = np.flatnonzero((np.diff(flush[of]) != 0) | (np.diff(client) != 0)) + 1
    found: set[int] = set()
    for part in np.split(of, cuts) if len(of) else []:
        found |= {int(part[place]) for place in out_of_order(rank[part].tolist())}
    return np.array(sorted(found), np.int64)


def out_of_order(ranks: Sequence[int]) -> list[int]:
    """Places of the fewest that, left out, leave the others ascending.

    They are what is not in a longest increasing subsequence (M. L. Fredman, "On computing the length of longest
    increasing subsequences", Discrete Mathematics 11, 1975).
    """
    if all(map(lt, ranks, ranks[1:])):
        return []
    tails: list[int] = []  # the place of the smallest last rank of an ascending run of each length
    values: list[int] = []
    before: list[int] = []
    for place, rank in enumerate(ranks):
        length = bisect_left(values, rank)
        before.append(tails[length - 1] if length else -1)
        if length == len(tails):
            tails.append(place)
            values.append(rank)
        else:
            tails[length], values[length] = place, rank
    kept, place = set(), tails[-1]
    while place >= 0:
        kept.add(place)
        place = before[place]
    return [place for place in range(len(ranks)) if place not in kept]
