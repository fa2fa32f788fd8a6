"""What a user does and when, and when it is there at all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from loadtest.settings import Spread

SHORTEST_S: Final = 1.0
"""No session and no absence is shorter: it takes some time to close a tab and to open one."""


class Action(NamedTuple):
    """Something that a user does at an intended time.

    Attributes:
        at_s: seconds from the user's start.
        do: called with the intended instant, monotonic ns.
    """

    at_s: float
    do: Callable[[int], None]


class Visit(NamedTuple):
    """One session of a user, from its coming to its leaving; seconds from the user's start."""

    came_s: float
    left_s: float


def visits(length: Spread, away: Spread, rng: Random) -> Iterator[Visit]:
    """Sessions with absences between them, without end.

    The first one is under way already, at a random place: else all who began together would leave together. Of many
    users who come and go like this, independently, the comings are nearly a Poisson process: the load is partly open
    (B. Schroeder, A. Wierman and M. Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006).
    """
    came = 0.0
    share = rng.random()
    while True:
        left = came + max(length.draw(rng) * share, SHORTEST_S)
        yield Visit(came, left)
        came, share = left + max(away.draw(rng), SHORTEST_S), 1.0


def during(
    sessions: Iterator[Visit], actions: Iterator[Action], come: Callable[[int], None], leave: Callable[[int], None]
) -> Iterator[Action]:
    """A user's actions, of which the clock runs while it is there alone, with its leaving and coming between them."""
    visit, before_s = next(sessions), 0.0
    action = next(actions, None)
    while True:
        length = visit.left_s - visit.came_s
        while action is not None and action.at_s - before_s < length:
            yield action._replace(at_s=visit.came_s + action.at_s - before_s)
            action = next(actions, None)
        yield Action(visit.left_s, leave)
        before_s += length
        visit = next(sessions)
        yield Action(visit.came_s, come)
