"""A run's rooms as one value: who should have received what, and who did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from loadtest.analysis.percentiles import Floats
from loadtest.analysis.rooms import faults
from loadtest.analysis.rooms.absence import missed
from loadtest.analysis.rooms.expected import Pairs, among, ascending, expected, pair_keys
from loadtest.analysis.rooms.values import Found, Rooms
from loadtest.model import Outage
from loadtest.runs.columns import MISSING, Bools, Ints
from loadtest.runs.rooms import RoomRecords

CLOCKS: Final = "clock"
"""Counter with a key for each monotonic clock that a process of the run counted by."""


def withheld(clocks: Mapping[str, int], complete: bool) -> str:
    """Why nobody can say at whom messages were expected, and after how long they came; empty where one can.

    Args:
        clocks: processes by the clock that they counted by.
        complete: whether the run was sealed.
    """
    if len(clocks) > 1:
        return f"users ran on {len(clocks)} hosts, whose clocks are not the same; run the members of a room on one"
    return "" if complete else "the run was cut off, and who was in which room is told at its end"


@dataclass(frozen=True, eq=False)
class Judged:
    """The broadcasts of a run.

    Attributes:
        records: what was recorded.
        withheld: see `withheld`.
    """

    records: RoomRecords
    withheld: str

    @cached_property
    def _pairs(self) -> tuple[Pairs, Pairs]:
        nobody = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return (nobody, nobody) if self.withheld else expected(self.records.sent, self.records.stays)

    @cached_property
    def _arrived(self) -> tuple[Ints, Ints]:
        """Keys of the pairs that were seen, ascending, and the instant of the first receipt of each."""
        received = self.records.received
        known = np.flatnonzero(received.message != MISSING)
        keys, at = pair_keys(received.message[known], received.client[known]), received.at_ns[known]
        order = np.lexsort((at, keys))
        keys, at = keys[order], at[order]
        first = np.ones(len(keys), np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        return keys[first], at[first]

    @property
    def expected(self) -> Pairs:
        """Pairs in which a message is expected."""
        return self._pairs[0]

    @cached_property
    def fanout_ns(self) -> Floats:
        """Sent to received of each expected pair; +infinity for what never came. Shape of `expected`."""
        keys, at = self._arrived
        found = among(self.expected.keys, keys)
        place = np.searchsorted(keys, self.expected.keys[found])
        times: Floats = np.full(len(self.expected), np.inf)
        times[found] = at[place] - self.records.sent.sent_ns[self.expected.message[found]]
        # stamps are clamped, so that nothing can have come before it was sent by more than their resolution
        np.maximum(times, 0.0, out=times)
        return times

    def slowest_ns(self) -> tuple[Ints, Floats]:
        """The messages that were expected anywhere, and the time of the slowest of their members."""
        if not len(self.expected):
            return np.zeros(0, np.int64), np.zeros(0)
        messages, starts = np.unique(self.expected.message, return_index=True)
        return messages, np.maximum.reduceat(self.fanout_ns, starts)

    def missed(self, outages: Sequence[Outage]) -> int | None:
        """What members missed while they were away; None where that is not known."""
        return None if self.withheld else missed(self.records, self._arrived[0], outages)

    def flushed_out_of_order(self, queued: Bools, intended_ns: Ints) -> int:
        """Messages of offline queues that others received out of their order.

        What is flushed leaves at one instant, in the order in which it was intended; what was intended at one instant,
        too, has no order.

        Args:
            queued: which messages of `records.sent` had waited. Shape m.
            intended_ns: of each. Shape m.
        """
        sent = self.records.sent
        flushes = np.unique(np.stack((sent.client, sent.sent_ns), axis=1), axis=0, return_inverse=True)[1].ravel()
        alike = np.stack((flushes, intended_ns), axis=1)
        _, place, number = np.unique(alike, axis=0, return_inverse=True, return_counts=True)
        flush = np.where(queued & (number[place.ravel()] == 1), flushes, MISSING)
        received = self.records.received
        return len(faults.flushed_out_of_order(sent, received, faults.doubled(received), flush, intended_ns))

    def summary(self) -> Rooms:
        """The numbers of it."""
        sent, received = self.records.sent, self.records.received
        missing = np.isinf(self.fanout_ns)
        again = faults.doubled(received)
        reordered = faults.reordered(received, again)
        judged = not self.withheld
        return Rooms(
            rooms=len(np.unique(self.records.stays.conversation)),
            messages=len(ascending(self.expected.message)) if judged else None,
            expected=len(self.expected) if judged else None,
            seen=int((~missing).sum()) if judged else None,
            ambiguous=len(self._pairs[1]) if judged else None,
            missing=_found(self.expected.message[missing]) if judged else None,
            doubled=_found(received.message[again]),
            altered=_found(received.message[faults.altered(sent, received)]),
            misnamed=_found(received.message[faults.misnamed(sent, received)]),
            reordered=len(reordered),
            withheld=self.withheld,
        )


def _found(messages: Ints) -> Found:
    return Found(messages=len(ascending(messages)), receipts=len(messages))
