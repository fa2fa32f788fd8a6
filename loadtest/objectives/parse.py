"""From the text of an objective to its value."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from loadtest.metrics import BY_KEY, PERCENTILES, Better
from loadtest.objectives.names import COUNTS, LIVE, MAX, RATIOS
from loadtest.objectives.values import Comparison, Kind, Objective, shown

_STATISTICS: Final = {**{field.replace("_", "."): field for field, _ in PERCENTILES}, "p99_9": "p99_9", MAX: MAX}
_TIMES: Final = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}
"""Unit to ms."""
EXAMPLE: Final = "ack_delivered.p99 < 250ms"
_OBJECTIVE = re.compile(r"\s*([^<>=]*?)\s*(<=|>=|==|<|>)\s*([^<>=]*?)\s*")
_LIMIT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(\S*)")


def objective(text: str) -> Objective:
    """What is demanded of a run.

    Raises:
        ValueError: with what is wrong and what to write instead.
    """
    found = _read(text)
    better = _better(found)
    if better is not Better.NEITHER and found.comparison.is_upper is not (better is Better.LOWER):
        word, sign = ("less", "<") if better is Better.LOWER else ("more", ">")
        raise ValueError(f"{found.text!r}: {word} is better of {found.subject}, so an objective takes {sign}")
    return found


def abort_condition(text: str) -> Objective:
    """What ends a run early when it comes true: the reverse of an objective.

    Raises:
        ValueError: with what is wrong and what to write instead.
    """
    found = _read(text)
    better = _better(found)
    if better is not Better.NEITHER and found.comparison.is_upper is (better is Better.LOWER):
        word, sign = ("less", ">") if better is Better.LOWER else ("more", "<")
        raise ValueError(f"{found.text!r}: {word} is better of {found.subject}, so a run that is lost takes {sign}")
    if found.subject not in LIVE or found.statistic == MAX:
        raise ValueError(f"{found.text!r}: {found.name} is not known while a run goes on; there are {', '.join(LIVE)}")
    return found


def _read(text: str) -> Objective:
    match = _OBJECTIVE.fullmatch(text)
    if match is None or not match[1] or not match[3]:
        raise ValueError(f"{text.strip()!r} is no objective: give metric, comparison and limit, as in {EXAMPLE}")
    name, sign, limit = match.groups()
    comparison = Comparison(sign)
    subject, dot, statistic = name.partition(".")
    kind = _kind(subject)
    if kind is Kind.PERCENTILE:
        statistic = _statistic(subject, statistic)
    elif dot:
        raise ValueError(f"{name!r}: {subject} is a {kind} and has no {statistic or 'percentiles'}; give {subject}")
    if comparison is Comparison.EXACTLY and kind is not Kind.COUNT:
        raise ValueError(f"{text.strip()!r}: only counts can be held to ==; give < or >")
    value, unit = _limit(subject, kind, limit)
    if kind is Kind.RATIO and value == 1 and comparison is Comparison.ABOVE:
        raise ValueError(f"{text.strip()!r}: no share is above 100%; give >= 100%")
    if kind is Kind.COUNT and value == 0 and comparison is Comparison.BELOW:
        raise ValueError(f"{text.strip()!r}: no count is below 0; give == 0")
    if kind is Kind.PERCENTILE:
        name = f"{subject}.{shown(statistic)}"
    limit = re.sub(r"\s+", "", limit)
    return Objective(f"{name} {sign} {limit}", kind, subject, statistic or None, comparison, value, unit)


def _kind(subject: str) -> Kind:
    for kind, names in ((Kind.PERCENTILE, BY_KEY), (Kind.RATIO, RATIOS), (Kind.COUNT, COUNTS)):
        if subject in names:
            return kind
    guess = near(subject)
    hint = (
        f"did you mean {' or '.join(guess)}?"
        if guess
        else f"there are {', '.join((*BY_KEY, *RATIOS))}, and the counts of a run"
    )
    raise ValueError(f"{subject!r} is no metric, ratio or count; {hint}")


def near(subject: str) -> list[str]:
    """The names that it may have been meant to be, at most three: those spelt alike, or else those that hold it."""
    words = subject.strip().lower().replace("-", "_").replace(" ", "_")
    names = (*BY_KEY, *RATIOS, *COUNTS)
    return get_close_matches(words, names, n=1, cutoff=0.7) or [name for name in names if words and words in name][:3]


def _statistic(subject: str, text: str) -> str:
    if not text:
        raise ValueError(f"{subject!r} is a metric: say which percentile of it, as in {subject}.p99")
    if text not in _STATISTICS:
        known = ", ".join(name for name in _STATISTICS if "_" not in name)
        raise ValueError(f"{subject}.{text}: no such percentile; there are {known}")
    return _STATISTICS[text]


def _limit(subject: str, kind: Kind, text: str) -> tuple[float, str]:
    """Limit and unit of an objective."""
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no limit of {subject}: give a number{_unit_hint(subject, kind, '')}")
    number, unit = float(match[1]), match[2]
    if kind is Kind.COUNT:
        if unit or not number.is_integer():
            raise ValueError(f"{text!r}: {subject} is a count; give a whole number without a unit, as in {subject} < 1")
        return number, "count"
    if kind is Kind.RATIO:
        return _share(subject, match[1], unit), "ratio"
    wanted = BY_KEY[subject].unit
    if wanted == "ms" and unit in _TIMES:
        return number * _TIMES[unit], wanted
    if wanted == unit:
        return number, wanted
    fault = f"has a unit that {subject} has not" if unit else "has no unit"
    raise ValueError(f"{text!r} {fault}: give{_unit_hint(subject, kind, match[1])}")


def _unit_hint(subject: str, kind: Kind, number: str) -> str:
    if kind is Kind.COUNT:
        return ""
    unit = "%" if kind is Kind.RATIO else BY_KEY[subject].unit
    if not number:
        return f" with its unit, as in {'99.9%' if unit == '%' else '250' + unit}"
    return f" {number}ms or {number}s" if unit == "ms" else f" {number}{unit}"


def _share(subject: str, number: str, unit: str) -> float:
    """A share of 1, from `99.9%` or `0.999`; 1 alone could be all or a hundredth."""
    value = float(number)
    if unit not in ("", "%"):
        raise ValueError(f"'{number}{unit}' has a unit that {subject} has not: give {number}%")
    if not unit and value >= 1:
        raise ValueError(f"{number!r} has no unit: {subject} is a share, give {'100' if value == 1 else number}%")
    share = round(value / 100, 12) if unit else value
    if share > 1:
        raise ValueError(f"'{number}%' is more than all: {subject} is at most 100%")
    return share


def _better(found: Objective) -> Better:
    if found.kind is Kind.PERCENTILE:
        return BY_KEY[found.subject].better
    return Better.HIGHER if found.kind is Kind.RATIO else Better.NEITHER
