"""The page of two builds, from their runs to a file. Imported when one is written: matplotlib takes its second."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtest.analysis.compare import SCHEMA, Comparison
from loadtest.commands.build_pictures import comparison_figure
from loadtest.commands.builds import Builds, OpenedSample, compare_builds, open_samples, shifts, sides
from loadtest.errors import RunFolderError, UsageError
from loadtest.report.comparison_page import comparison_page, shift_values
from loadtest.report.figure import svg
from loadtest.report.html import Picture

RECORD = "comparison.json"
"""What an `ab` concluded, in its folder."""


def write_comparison_page(builds: Builds, file: Path, option: str) -> None:
    """Write the page.

    Args:
        option: that named the file.

    Raises:
        UsageError: the file cannot be written.
    """
    moved = shifts(builds)
    picture = Picture(
        "Shift of each quantile, and every pair",
        svg(comparison_figure(builds, moved)),
        "Above, by how much each quantile of each headline metric changed, with its 95 % band and thin lines for the "
        "pairs; below, the change in every pair as dots and the interval of their mean as bars; the grey band is the "
        "margin.",
        shift_values(moved),
    )
    sides = {"base": builds.base, "candidate": builds.candidate}
    verdicts = {f"{side}/{run.sample.folder}": run.verdict for side, runs in sides.items() for run in runs}
    page = comparison_page(builds.result, verdicts, [_hosts(runs) for runs in sides.values()], [picture])
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option}: cannot write {file}: {error.strerror}; name a place to write to") from None


def concluded(folder: Path) -> Builds:
    """The comparison of an `ab` folder: as it was concluded, or anew where its runs are no longer the same.

    Raises:
        RunFolderError: a run cannot be read, or `comparison.json` is of a newer loadtest.
        NothingMeasured: no pair counts.
    """
    found = sides([folder], ())
    base, candidate = open_samples(found.base), open_samples(found.candidate)
    kept = _kept(folder)
    names = [[run.sample.folder for run in runs] for runs in (base, candidate)]
    if kept is not None and [kept.base, kept.candidate] == names:
        return Builds(kept, base, candidate)
    # invalid runs among those that count were asked for
    return compare_builds(base, candidate, found.terms, found.notes, force=True)


def _kept(folder: Path) -> Comparison | None:
    try:
        kept = msgspec.json.decode((folder / RECORD).read_bytes(), type=Comparison)
    except (OSError, msgspec.MsgspecError):
        return None
    if kept.schema > SCHEMA:
        raise RunFolderError(f"{folder}: written by a newer loadtest (schema {kept.schema}); upgrade to read it")
    return kept


def _hosts(runs: list[OpenedSample]) -> str:
    """A command may have listened at another address for each run."""
    found = list(dict.fromkeys(run.host for run in runs))
    return found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} more"
