"""What was lost, when it was noticed, and how the users came back: outages by cause, attempts against the schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median_low
from typing import Any, Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.herd import Herd, largest_herd
from loadtest.analysis.records import Records
from loadtest.analysis.rooms.metrics import RoomMetrics
from loadtest.model import Cause, Outage, OutageCommand, Outcome, Population
from loadtest.settings import Backoff

LATE_S: Final = 0.1
"""An attempt this much later than its schedule allows is off it: what the generator itself may add."""
AFTER_COMMAND_NS: Final = 1_000_000_000
"""What the server cuts this soon after the command has ended is laid to it."""
OUTAGE_COMMAND: Final = "outage command"


class ByCause(Struct, frozen=True):
    """Outages of one cause.

    Attributes:
        outages: how many.
        ended: number by how they ended, as in `Outage.ended`.
        lost: messages in flight that were lost with them.
        noticed_s: median time to the client's noticing; 0 where it is told.
    """

    outages: int
    ended: dict[str, int]
    lost: int
    noticed_s: float


class Attempts(Struct, frozen=True):
    """Attempts of one number within their rows, seconds.

    Attributes:
        shortest_s, longest_s: that one of them waited.
        least_s, most_s: what the schedule allows.
        off_schedule: how many waited for less, or for `LATE_S` more.
    """

    number: int
    count: int
    shortest_s: float
    longest_s: float
    least_s: float
    most_s: float
    off_schedule: int


class Queue(Struct, frozen=True):
    """Messages that waited in offline queues.

    Attributes:
        waited: all of them.
        sent: those that left, once the user was back.
        outcomes: number by outcome.
        broadcasts: of those that left, as the senders heard them: `in order`, `out of order`, `again` (duplicates).
        out_of_order: those that another member received out of their order; None without rooms.
        after_absences: those of `sent` after no outage: their users had left, or given up, and came back.
    """

    waited: int
    sent: int
    outcomes: dict[str, int]
    broadcasts: dict[str, int]
    out_of_order: int | None = None
    after_absences: int = 0


class Ghosts(Struct, frozen=True):
    """Old connections of users who fell silent.

    Attributes:
        outlived: those that the server still held when the user was back.
        ended: those that the server has ended.
        held_s: median time from the silence to that; None without any.
        broadcasts: `message:receive` that went to them: they still counted as members.
    """

    ghosts: int
    outlived: int
    ended: int
    held_s: float | None
    broadcasts: int


class Recovery(Struct, frozen=True):
    """How a run's users lost their connections and came back.

    Attributes:
        causes: by cause, most frequent first; what `--outage-command` did is a cause of its own.
        attempts: to connect, by number; those of users who could not connect at first are among them.
        missed: messages of others that members of rooms missed while they were away; None where that is not known.
        gave_up: users' surrenders by reason.
        herd: the largest cut; None where no ten users lost their connections together.
        commands: runs of `--outage-command` by outcome.
    """

    causes: dict[str, ByCause]
    attempts: list[Attempts]
    queue: Queue | None
    ghosts: Ghosts | None
    missed: int | None
    gave_up: dict[str, int]
    started_anew: int
    herd: Herd | None
    commands: dict[str, int]


def recovery(records: Records, rooms: RoomMetrics | None = None) -> Recovery:
    """Fold the outages of a run.

    Args:
        rooms: what members of rooms received.
    """
    return Recovery(
        causes=_causes(records.outages, records.info.outage_commands),
        attempts=_attempts(records),
        queue=_queue(records, rooms),
        ghosts=_ghosts(records),
        missed=rooms.missed if rooms is not None else None,
        gave_up=records.by_key("gave_up"),
        started_anew=records.count("started_anew"),
        herd=largest_herd(records),
        commands=dict(Counter(command.outcome for command in records.info.outage_commands).most_common()),
    )


def schedule(options: dict[str, Any]) -> Backoff:
    """The schedule that a run's users came back by; the guide's where the run does not say."""
    names = {"base_s": "reconnect_base", "max_s": "reconnect_max", "attempts": "reconnect_attempts",
             "jitter": "reconnect_jitter"}  # fmt: skip
    return Backoff(**{field: options[name] for field, name in names.items() if options.get(name) is not None})


def _causes(outages: Sequence[Outage], commands: Sequence[OutageCommand]) -> dict[str, ByCause]:
    groups: dict[str, list[Outage]] = {}
    for outage in outages:
        if outage.cause:  # files of older versions know of none
            groups.setdefault(_cause(outage, commands), []).append(outage)
    return {
        cause: ByCause(
            outages=len(own),
            ended=dict(Counter(outage.ended for outage in own).most_common()),
            lost=sum(outage.lost for outage in own),
            noticed_s=round(median_low([(o.noticed_ns or o.lost_ns) - o.lost_ns for o in own]) / 1e9, 3),
        )
        for cause, own in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    }


def _cause(outage: Outage, commands: Iterable[OutageCommand]) -> str:
    by_server = outage.cause in (Cause.SERVER_CLOSE, Cause.SERVER_CUT)
    during = any(each.began_ns <= outage.lost_ns <= each.ended_ns + AFTER_COMMAND_NS for each in commands)
    return OUTAGE_COMMAND if by_server and during else outage.cause


def _attempts(records: Records) -> list[Attempts]:
    planned = schedule(records.info.options)
    waits: dict[int, list[float]] = {}
    for connect in records.connects:
        if connect.attempt is not None and connect.backoff_ns is not None:
            waits.setdefault(connect.attempt, []).append(connect.backoff_ns / 1e9)
    rows = []
    for number, own in sorted(waits.items()):
        least, most = planned.bounds(number - 1)
        off = sum(not least - 0.001 <= wait <= most + LATE_S for wait in own)
        rows.append(
            Attempts(number, len(own), round(min(own), 3), round(max(own), 3), round(least, 3), round(most, 3), off)
        )
    return rows


def _queue(records: Records, rooms: RoomMetrics | None) -> Queue | None:
    messages = records.messages
    waited = messages.population.is_in(Population.QUEUED)
    if not waited.any():
        return None
    found = messages.outcome[waited].counts()
    return Queue(
        waited=int(waited.sum()),
        sent=int((messages.sent_ns[waited] >= 0).sum()),
        outcomes={str(outcome): found[outcome] for outcome in Outcome if outcome in found},
        broadcasts=records.by_key("flushed_broadcast"),
        out_of_order=rooms.flushed_out_of_order if rooms is not None else None,
        after_absences=sum(flush.sent for flush in records.flushes if not flush.after_outage),
    )


def _ghosts(records: Records) -> Ghosts | None:
    if not records.ghosts:
        return None
    back = {(o.user, o.noticed_ns): o.authenticated_ns for o in records.outages if o.cause == Cause.SILENCE}
    held = [ghost.ended_ns - ghost.silent_ns for ghost in records.ghosts if ghost.ended_ns is not None]
    outlived = 0
    for ghost in records.ghosts:
        authenticated = back.get((ghost.user, ghost.noticed_ns))
        outlived += authenticated is not None and (ghost.ended_ns is None or ghost.ended_ns > authenticated)
    return Ghosts(
        ghosts=len(records.ghosts),
        outlived=outlived,
        ended=len(held),
        held_s=round(float(np.median(held)) / 1e9, 3) if held else None,
        broadcasts=sum(ghost.broadcasts for ghost in records.ghosts),
    )
