"""What members of rooms missed while their connections were lost: nothing is sent after them (backend.md, Messages)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadtest.analysis.rooms.expected import among, grouped, pair_keys
from loadtest.model import Outage
from loadtest.runs.columns import Ints
from loadtest.runs.rooms import RoomRecords, Stays


def missed(records: RoomRecords, arrived: Ints, outages: Sequence[Outage]) -> int | None:
    """Messages of others that were delivered between the loss of a member and its next stay in the same room.

    Args:
        arrived: keys of the pairs that were seen all the same, ascending.

    Returns:
        The sum over all outages; None where none of them was a member's.
    """
    sent, stays = records.sent, records.stays
    ended = zip(stays.user.tolist(), stays.until_ns.tolist(), strict=True)
    ends = {user_and_end: place for place, user_and_end in enumerate(ended)}
    by_room = grouped(sent.conversation)
    users = {name: number for number, name in enumerate(records.names)}
    found: list[int] = []
    for outage in outages:
        stay = ends.get((users.get(outage.user, -1), outage.lost_ns))
        if stay is None:
            continue
        messages = by_room.get(int(stays.conversation[stay]), np.zeros(0, np.int64))
        delivered, client = sent.delivered_ns[messages], int(stays.client[stay])
        away = (delivered > outage.lost_ns) & (delivered < _back_ns(stays, stay)) & (sent.client[messages] != client)
        keys = pair_keys(messages[away], np.full(int(away.sum()), client))
        found.append(int((~among(keys, arrived)).sum()))
    return sum(found) if found else None


def _back_ns(stays: Stays, stay: int) -> int:
    """When the next stay of the same client in the same room began; never, where there is none."""
    same = (stays.client == stays.client[stay]) & (stays.conversation == stays.conversation[stay])
    later = stays.from_ns[same & (stays.from_ns > stays.until_ns[stay])]
    return int(later.min()) if len(later) else np.iinfo(np.int64).max
