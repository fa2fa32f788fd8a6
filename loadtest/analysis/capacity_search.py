"""Which number of users to try next: the strategy of a capacity search, as a function of what was seen so far.

Levels double until one fails, and then narrow the bracket [highest pass, lowest fail]. Whatever a level says, only a
pass within the bracket moves its lower end and only a fail its upper one, so the bracket never widens; each end is as
sure as the verdict of the one level that it rests on. A level that cannot be told (inconclusive) lies where the
capacity does: it moves neither end, and the gaps on either side of it are looked at next. Of two levels that contradict
each other, a pass above one that could not be told, the pass is likelier to be luck: it counts once it has come twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

DESCENT: Final = 4
"""Where the first level fails, the next has so many times fewer users."""
DESCENTS: Final = 2
"""So often at most: an objective that fails with a sixteenth of the users fails for another reason than their load."""
CONFIRMED: Final = 2
"""Times that a level has to pass which passes against expectation."""
TRIES: Final = 2
"""Times that a level is run of which the generator is not sound."""


class Word(StrEnum):
    """What is said of a level."""

    PASS = "pass"
    """Every objective is met for certain, and the server took in what it was sent."""
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNSOUND = "unsound"
    """The generator cannot vouch for the numbers."""


class Tried(Struct, frozen=True):
    """A level that was run."""

    users: int
    word: Word


class Range(Struct, frozen=True):
    """Where to search.

    Attributes:
        start: users of the first level.
        most: of the largest; None for any.
        precision: the bracket is narrow enough once its width is this share of its lower end.
        least: of the smallest level that sends enough messages for a verdict.
    """

    start: int
    most: int | None = None
    precision: float = 0.1
    least: int = 1


class End(StrEnum):
    """Why a search has come to its end."""

    FOUND = "found"
    """The bracket is as narrow as was asked for, or as the levels can tell; without a pass, where the smallest level
    could not be told."""
    MOST = "most"
    """The largest level did not fail."""
    NOTHING_PASSES = "nothing passes"
    """Even the smallest level fails."""
    GENERATOR = "generator"
    """The generator came to its limit before the server."""


class Bracket(Struct, frozen=True):
    """Where the capacity lies.

    Attributes:
        passes: users of the highest level that passed, below `fails`; None without one.
        fails: users of the lowest level that failed; None without one.
    """

    passes: int | None
    fails: int | None


def bracket(tried: Sequence[Tried]) -> Bracket:
    """What the levels say of the capacity."""
    fails = min((each.users for each in tried if each.word is Word.FAIL), default=None)
    below = [each.users for each in tried if fails is None or each.users < fails]
    return Bracket(max((users for users in below if _passes(tried, users)), default=None), fails)


def _passes(tried: Sequence[Tried], users: int) -> bool:
    words = [each.word for each in tried if each.users == users and each.word is not Word.UNSOUND]
    if not words or set(words) != {Word.PASS}:
        return False
    return len(words) >= CONFIRMED or not _is_surprising(tried, users)


def _is_surprising(tried: Sequence[Tried], users: int) -> bool:
    """Whether a pass would contradict a level with fewer users, by less than a doubling, that could not be told."""
    return any(users / 2 <= each.users < users and each.word is Word.INCONCLUSIVE for each in tried)


def following(where: Range, tried: Sequence[Tried]) -> int | End:
    """The users of the next level, or why there is none."""
    if not tried:
        return where.start
    last = tried[-1]
    if last.word is Word.UNSOUND and sum(each.users == last.users for each in tried) < TRIES:
        return last.users
    if last.word is Word.PASS and not _passes(tried, last.users) and _once(tried, last):
        return last.users
    known = bracket(tried)
    if known.fails is None:
        return _upwards(where, tried)
    if known.passes is None:
        return _downwards(where, tried)
    return _between(where, tried, known.passes, known.fails)


def _once(tried: Sequence[Tried], last: Tried) -> bool:
    return sum(each.users == last.users and each.word is not Word.UNSOUND for each in tried) == 1


def _upwards(where: Range, tried: Sequence[Tried]) -> int | End:
    if tried[-1].word is Word.UNSOUND:
        return End.GENERATOR
    top = max(each.users for each in tried)
    if where.most is not None and top >= where.most:
        return End.MOST
    return 2 * top if where.most is None else min(2 * top, where.most)


def _downwards(where: Range, tried: Sequence[Tried]) -> int | End:
    lowest = min(each.users for each in tried)
    floor = max(where.start // DESCENT**DESCENTS, where.least)
    if 2 * lowest < 3 * floor:  # so little below would be no news
        failed = any(each.users == lowest and each.word is Word.FAIL for each in tried)
        return End.NOTHING_PASSES if failed else End.FOUND
    return max(lowest // DESCENT, floor)


def _between(where: Range, tried: Sequence[Tried], low: int, high: int) -> int | End:
    """The middle of the wider of the gaps next to the ends, as far as that would tell more."""
    enough = max(where.precision * low, 1.0)
    if high - low <= enough:
        return End.FOUND
    untold = sorted({each.users for each in tried if low < each.users < high})
    inner = [low, *untold, high]
    gaps = sorted({(inner[0], inner[1]), (inner[-2], inner[-1])}, key=lambda gap: gap[0] - gap[1])
    start, end = gaps[0]
    if untold and end - start <= 2 * enough:  # what lies between is too near to the capacity to be told
        return End.FOUND
    return _middle(start, end)


def _middle(low: int, high: int) -> int:
    """A round number in the middle; of a wide gap the geometric one, as loads are felt."""
    middle = (low * high) ** 0.5 if high > 2 * low else (low + high) / 2
    for digits in (2, 3):
        step = 10 ** max(len(str(int(middle))) - digits, 0)
        rounded = round(middle / step) * step
        if low + (high - low) / 4 <= rounded <= high - (high - low) / 4:
            return int(rounded)
    return min(max(round(middle), low + 1), high - 1)
