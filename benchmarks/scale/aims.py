"""What each part of the benchmark is to show, and whether its figures do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

HELD: Final = 18_000
"""Connections of two worker processes; the short form asks for fewer."""
MERGED_PER_S: Final = 5_000
"""Message records of four workers."""
MASTER_SHARE: Final = 0.5
"""Of a core, at most, for that."""
MARGIN: Final = 0.05
"""Relative difference that is too small to matter, as that of `loadtest compare`."""
DETECT: Final = 0.10
"""One that the runs ought to have found, likewise: a wider interval says nothing."""

Figures = Mapping[str, Any]


class Aim(Struct, frozen=True):
    """One aim, in words, what was found, and whether that reaches it."""

    what: str
    found: str
    reached: bool

    def __str__(self) -> str:
        return f"{'reached' if self.reached else 'MISSED'}: {self.what}: {self.found}"


def held(figures: Figures) -> list[Aim]:
    """All connections are held, none of them failed on the way, and the ledger is closed."""
    asked, at_the_end = figures["asked"], figures["held_at_the_end"]
    failures = ", ".join(f"{number:,} x {kind}" for kind, number in figures["failures"].items()) or "none"
    open_ends = figures["unaccounted"] + figures["outages"] + len(figures["missing_processes"])
    return [
        Aim(f"{asked:,} connections held beside the preflight's", f"{at_the_end:,}", at_the_end > asked),
        Aim("none failed to connect", failures, figures["failed"] == 0),
        Aim(
            "ledger closed",
            f"unaccounted {figures['unaccounted']:,}, outages {figures['outages']:,}, "
            f"processes missing {len(figures['missing_processes'])}",
            open_ends == 0,
        ),
    ]


def merged(figures: Figures) -> list[Aim]:
    """So many records a second, none lost, and the master has half of its core left."""
    per_s, share = figures["records_per_s"], figures["master_cpu_share"]
    lost = figures["offered"] - figures["records"] + figures["lost"]
    gone = len(figures["missing_processes"]) + len(figures["lost_reports"])
    return [
        Aim(f"{MERGED_PER_S:,} records a second", f"{per_s:,}", per_s >= MERGED_PER_S),
        Aim("no record lost", f"{lost:,} of {figures['offered']:,}", lost == 0 and gone == 0),
        Aim(f"master under {MASTER_SHARE:g} of a core", f"{share:g}", share < MASTER_SHARE),
    ]


def agree(figures: Figures) -> list[Aim]:
    """By four workers each percentile is no other than by one process, or by too little to matter.

    The run is the sample, and the 95 % interval of the ratio decides: all of it lies within `MARGIN`, or it holds 1 and
    leaves no room for a difference of `DETECT`.
    """
    verdicts = [verdict for side in figures["verdicts"] for verdict in side]
    invalid = verdicts.count("invalid")
    return [
        Aim("no run is invalid", f"{invalid} of {len(verdicts)}", invalid == 0),
        *(
            Aim(f"{row['metric']} agrees", f"by four workers {_times(row)}", _agrees(row["ci95"]))
            for row in figures["rows"]
        ),
    ]


def _agrees(ci95: list[float] | None) -> bool:
    if ci95 is None:
        return False
    low, high = ci95
    most = DETECT if low <= 1 <= high else MARGIN
    return low >= 1 / (1 + most) and high <= 1 + most


def _times(row: Mapping[str, Any]) -> str:
    if row["ci95"] is None:
        return f"{row['ratio']:.3f} times that of one process, in a single pair"
    low, high = row["ci95"]
    return f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}] times that of one process"


def guide(figures: Figures) -> list[Aim]:
    """Each scheme reaches its number of users."""
    return [
        Aim(f"{part['aim']:,} users on {name}://, p99 right to 1 ms", f"{part['reached']:,}", part["met"])
        for name, part in figures.items()
        if isinstance(part, Mapping)
    ]


OF: Final[Mapping[str, Callable[[Figures], list[Aim]]]] = {
    "held": held,
    "merged": merged,
    "agree": agree,
    "guide": guide,
}
"""By part."""
