"""What `check` found of a server: values, and nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from loadtest.analysis.limits.limiter import Limiter

SCHEMA: Final = 1


class CaseVerdict(StrEnum):
    """What came of one case."""

    CONFORMS = "conforms"
    DIFFERS = "differs"
    """The guide leaves it open, and the server does it otherwise than the guide's own backend."""
    FAILS = "fails"
    """The guide promises it, and the server breaks the promise."""
    UNTESTED = "cannot be tested"


class Case(Struct, frozen=True):
    """One case.

    Attributes:
        id: its name, for `--only` and for programs.
        number: item of the guide's testing checklist, and place in it.
        item: that item in words.
        title: what is looked at.
        seen: what was seen, or why it cannot be tested.
    """

    id: str
    number: str
    item: str
    title: str
    verdict: CaseVerdict
    seen: str


class Conformance(Struct, frozen=True):
    """What `check` found.

    Attributes:
        took_s: seconds.
    """

    host: str
    cases: tuple[Case, ...]
    limiter: Limiter
    took_s: float
    schema: int = SCHEMA

    @property
    def failed(self) -> bool:
        """Whether a promise of the guide is broken."""
        return any(case.verdict is CaseVerdict.FAILS for case in self.cases)

    def count(self, verdict: CaseVerdict) -> int:
        """Cases with a verdict."""
        return sum(case.verdict is verdict for case in self.cases)
