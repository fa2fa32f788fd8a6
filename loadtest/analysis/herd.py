"""Users who lose their connections together, and come back together: the herd.

Those who lose theirs on purpose are in none: enough of them do so within any second, each for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.model import Outage
from loadtest.runs.columns import Ints

TOGETHER_NS: Final = 1_000_000_000
"""Losses within this time of the first are one cut."""
LEAST: Final = 10
"""Outages that make a herd."""
BIN_S: Final = 0.1
"""Attempts are counted in intervals of this length."""


class Herd(Struct, frozen=True):
    """The largest cut of a run; seconds.

    Attributes:
        at_s: the first loss, from the start of the run.
        users: outages that began with it.
        within_s: from the first loss to the last.
        most_at_once: attempts to connect in the busiest interval of `BIN_S`.
        back_s: from the cut until half, 90 % and all of them were authenticated again; None where that never was.
        delivered_s: the same until a message of theirs was delivered again.
    """

    at_s: float
    users: int
    within_s: float
    most_at_once: int
    back_s: dict[str, float | None]
    delivered_s: dict[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """How users came back, over time since their loss, seconds.

    Attributes:
        at_s: of a cut, from the start of the run; None where each outage counts from its own loss.
        users: outages.
        attempts: begin of each attempt to connect, ascending.
        back: authenticated again, ascending; shorter than `users` where some never were.
        delivered: a message delivered again, likewise.
    """

    at_s: float | None
    users: int
    attempts: Floats
    back: Floats
    delivered: Floats


def largest_cut(outages: Sequence[Outage]) -> list[Outage]:
    """Most outages that began within a second and were nobody's purpose; in the order of their losses."""
    ordered = sorted((each for each in outages if not each.on_purpose), key=lambda outage: outage.lost_ns)
    losses = np.array([outage.lost_ns for outage in ordered], np.int64)
    if not len(losses):
        return []
    ends = np.searchsorted(losses, losses + TOGETHER_NS, side="right")
    first = int(np.argmax(ends - np.arange(len(losses))))
    return ordered[first : int(ends[first])]


def largest_herd(records: Records) -> Herd | None:
    """The largest cut in numbers; None where it is no herd."""
    cut = largest_cut(records.outages)
    if len(cut) < LEAST:
        return None
    back = _return(records, cut, together=True)
    bins = np.bincount((back.attempts / BIN_S + 1e-6).astype(np.int64)) if len(back.attempts) else np.zeros(1, np.int64)
    return Herd(
        at_s=round((cut[0].lost_ns - records.info.started_ns) / 1e9, 3),
        users=len(cut),
        within_s=round((cut[-1].lost_ns - cut[0].lost_ns) / 1e9, 3),
        most_at_once=int(bins.max()),
        back_s=_shares(back.back, len(cut)),
        delivered_s=_shares(back.delivered, len(cut)),
    )


def recovery_return(records: Records) -> Return:
    """The return of the largest cut, or of all outages, each from its own loss, where none is a herd."""
    cut = largest_cut(records.outages)
    together = len(cut) >= LEAST
    return _return(records, cut if together else list(records.outages), together=together)


def _return(records: Records, outages: Sequence[Outage], *, together: bool) -> Return:
    first = min((outage.lost_ns for outage in outages), default=0)
    origins = [first if together else outage.lost_ns for outage in outages]
    return Return(
        at_s=(first - records.info.started_ns) / 1e9 if together else None,
        users=len(outages),
        attempts=_attempts(records, outages, origins),
        back=_since([outage.authenticated_ns for outage in outages], origins),
        delivered=_since([outage.recovered_ns for outage in outages], origins),
    )


def _since(instants: Sequence[int | None], origins: Sequence[int]) -> Floats:
    found = [(at - origin) / 1e9 for at, origin in zip(instants, origins, strict=True) if at is not None]
    return np.sort(np.array(found, np.float64))


def _attempts(records: Records, outages: Sequence[Outage], origins: Sequence[int]) -> Floats:
    """Attempts between each loss and the return, or whatever came of it."""
    dials: dict[str, list[int]] = {}
    for connect in records.connects:
        if connect.reconnect:
            dials.setdefault(connect.user, []).append(connect.began_ns)
    begun: dict[str, Ints] = {user: np.sort(np.array(own, np.int64)) for user, own in dials.items()}
    found = []
    for outage, origin in zip(outages, origins, strict=True):
        own = begun.get(outage.user)
        if own is not None:
            place = int(np.searchsorted(own, outage.lost_ns))
            found += [(int(at) - origin) / 1e9 for at in own[place : place + outage.attempts]]
    return np.sort(np.array(found, np.float64))


def _shares(times: Floats, users: int) -> dict[str, float | None]:
    wanted = {"half": 0.5, "90 %": 0.9, "all": 1.0}
    places = {name: int(np.ceil(share * users)) - 1 for name, share in wanted.items()}
    return {name: round(float(times[place]), 3) if place < len(times) else None for name, place in places.items()}
