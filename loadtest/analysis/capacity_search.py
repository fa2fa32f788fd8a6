"""Which number of users to try next: the strategy of a capacity search, as a function of what was seen so far.

Levels double until one fails, and then narrow the bracket [highest pass, lowest fail]. Whatever a level says, only a
pass within the bracket moves its lower end and only a fail its upper one, so the bracket never widens; each end is as
sure as the verdict of the one level that it rests on. A level that cannot be told (inconclusive) moves neither end.
Once the doubling is over it is run again, so long that it can be told, if there is time for that; else it lies where
the capacity does, and the gaps on either side of it are looked at next. Of two levels that contradict each other, a
pass above one that could not be told, the pass is likelier to be luck: it counts once it has come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
LONGEST: Final = 6.0
"""Times its own length that a level is measured at most, to be told."""
SPARE: Final = 1.3
"""Times the length that would settle a level: that is estimated from the level that did not."""
SHORTEST: Final = 1.5
"""Times its own length that a level is measured at least where it is run again: less would hardly tell more."""


class Word(StrEnum):
    """What is said of a level."""

    PASS = "pass"
    """Every objective is met for certain, and the server took in what it was sent."""
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNSOUND = "unsound"
    """The generator cannot vouch for the numbers."""


class Step(Struct, frozen=True):
    """A level to run, measured so many times as long as it was first, or would be."""

    users: int
    times: float = 1.0


class Tried(Struct, frozen=True):
    """A level that was run.

    Attributes:
        times: its first length that it was measured.
        settled_by: of one that could not be told, times its own length that would, about; None where none would.
    """

    users: int
    word: Word
    times: float = 1.0
    settled_by: float | None = None


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
    below = {each.users for each in tried if fails is None or each.users < fails}
    return Bracket(max((users for users in below if _passes(tried, users)), default=None), fails)


def _passes(tried: Sequence[Tried], users: int) -> bool:
    words = _words(tried, users)
    if set(words) != {Word.PASS}:
        return False
    return len(words) >= CONFIRMED or not _is_surprising(tried, users)


def _words(tried: Sequence[Tried], users: int) -> list[Word]:
    """What was said of a level where it was measured the longest, by sound generators."""
    sound = [each for each in tried if each.users == users and each.word is not Word.UNSOUND]
    longest = max((each.times for each in sound), default=0.0)
    return [each.word for each in sound if each.times == longest]


def _is_surprising(tried: Sequence[Tried], users: int) -> bool:
    """Whether a pass would contradict a level with fewer users, by less than a doubling, that could not be told."""
    nearby = {each.users for each in tried if users / 2 <= each.users < users}
    return any(Word.INCONCLUSIVE in _words(tried, each) for each in nearby)


def following(where: Range, tried: Sequence[Tried], fits: Callable[[Step], bool] = lambda _: True) -> Step | End:
    """The next level, or why there is none.

    Args:
        fits: whether there is time for a level; where none fits, one that does not is returned.
    """
    if not tried:
        return Step(where.start)
    known = bracket(tried)
    again = _again(tried, known)
    if again is not None:
        return again
    if known.fails is None:
        found = _upwards(where, tried)
        if found is End.GENERATOR or (isinstance(found, Step) and fits(found)):
            return found
        return _longer(tried, known, fits) or found
    if known.passes is not None and known.fails - known.passes <= _enough(where, known.passes):
        return End.FOUND
    return _longer(tried, known, fits) or _narrower(where, tried, known.passes, known.fails)


def _again(tried: Sequence[Tried], known: Bracket) -> Step | None:
    """A level that is run once more as it was: the last one, unsound, or one whose pass has to come twice."""
    last = tried[-1]
    if last.word is Word.UNSOUND and _unsound(tried, last) < TRIES:
        return Step(last.users, last.times)
    for each in reversed(tried):
        alone = _words(tried, each.users) == [Word.PASS] and each.word is Word.PASS
        if alone and not _passes(tried, each.users) and _is_within(known, each.users) and _unsound(tried, each) < TRIES:
            return Step(each.users, each.times)
    return None


def _unsound(tried: Sequence[Tried], of: Tried) -> int:
    """How often a level was run in vain."""
    return sum((each.users, each.times, each.word) == (of.users, of.times, Word.UNSOUND) for each in tried)


def _longer(tried: Sequence[Tried], known: Bracket, fits: Callable[[Step], bool]) -> Step | None:
    """Of the levels within the bracket that could not be told, and were run once, the one that is told the soonest."""
    again = {each.users for each in tried if each.times > 1}
    wanted = sorted(
        (max(SPARE * each.settled_by, SHORTEST), each.users)
        for each in tried
        if each.settled_by is not None and each.users not in again and _is_within(known, each.users)
    )
    steps = (Step(users, round(times, 1)) for times, users in wanted if times <= LONGEST)
    return next(filter(fits, steps), None)


def _is_within(known: Bracket, users: int) -> bool:
    return (known.passes or 0) < users and (known.fails is None or users < known.fails)


def _upwards(where: Range, tried: Sequence[Tried]) -> Step | End:
    if not _words(tried, tried[-1].users):
        return End.GENERATOR
    top = max(each.users for each in tried)
    if where.most is not None and top >= where.most:
        return End.MOST
    return Step(2 * top if where.most is None else min(2 * top, where.most))


def _downwards(where: Range, tried: Sequence[Tried]) -> Step | End:
    lowest = min(each.users for each in tried)
    floor = max(where.start // DESCENT**DESCENTS, where.least)
    if 2 * lowest < 3 * floor:  # so little below would be no news
        failed = any(each.users == lowest and each.word is Word.FAIL for each in tried)
        return End.NOTHING_PASSES if failed else End.FOUND
    return Step(max(lowest // DESCENT, floor))


def _narrower(where: Range, tried: Sequence[Tried], low: int | None, high: int) -> Step | End:
    """The middle of the wider of the gaps next to the ends, as far as that would tell more."""
    if low is None:
        return _downwards(where, tried)
    untold = sorted({each.users for each in tried if low < each.users < high})
    inner = [low, *untold, high]
    gaps = sorted({(inner[0], inner[1]), (inner[-2], inner[-1])}, key=lambda gap: gap[0] - gap[1])
    start, end = gaps[0]
    if untold and end - start <= 2 * _enough(where, low):  # what lies between is too near to the capacity to be told
        return End.FOUND
    return Step(_middle(start, end))


def _enough(where: Range, passes: int) -> float:
    """The width of a bracket that is narrow enough, users."""
    return max(where.precision * passes, 1.0)


def _middle(low: int, high: int) -> int:
    """A round number in the middle; of a wide gap the geometric one, as loads are felt."""
    middle = (low * high) ** 0.5 if high > 2 * low else (low + high) / 2
    for digits in (2, 3):
        step = 10 ** max(len(str(int(middle))) - digits, 0)
        rounded = round(middle / step) * step
        if low + (high - low) / 4 <= rounded <= high - (high - low) / 4:
            return int(rounded)
    return min(max(round(middle), low + 1), high - 1)
