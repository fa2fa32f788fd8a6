"""What the rules of the verdict look at, and what each may find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from loadtest.analysis.drift import Drift
from loadtest.analysis.generator import Generator
from loadtest.analysis.records import Records
from loadtest.analysis.values import Counts, Group, Metrics


class Status(StrEnum):
    """Gravest last."""

    VALID = "valid"
    SUSPECT = "suspect"
    """The numbers are what was measured, but they may not mean what they seem to."""
    INVALID = "invalid"
    """The numbers cannot be vouched for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    Attributes:
        status: what it makes of the run.
        reason: what was found, in words.
        remedy: what to do about it.
    """

    status: Status
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at; the fields are those of `values.Summary`.

    Attributes:
        replies, from_intended, shortest: of headline messages; where there are none, of all in the window.
    """

    records: Records
    counts: Counts
    steady: Counts
    metrics: Metrics
    replies: Metrics
    from_intended: Metrics
    shortest: Metrics
    populations: dict[str, Group]
    connect_failures: dict[str, int]
    generator: Generator
    drift: Drift


Rule = Callable[[Evidence], Finding | None]
