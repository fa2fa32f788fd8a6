"""What the commands that read runs have in common: opening a run, and drawing its pictures into files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.analysis.curves import curves
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.analysis.timeline import timeline
from loadtest.analysis.values import Summary
from loadtest.errors import NothingMeasured, RunFolderError, UsageError
from loadtest.metrics import BY_KEY, HEADLINE
from loadtest.runs.reader import RunReader

FORMATS: Final = (".png", ".svg")
"""Every picture is left in both: one to look at, one to enlarge."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRun:
    """One run, read and summed up."""

    path: Path
    folder: Path
    measured: Measured
    summary: Summary

    def refuse_if_empty(self) -> None:
        """Conclude nothing from nothing.

        Raises:
            NothingMeasured: with the reason.
        """
        if self.summary.empty:
            raise NothingMeasured(f"{self.path}: {self.summary.verdict.reasons[0]}")


def open_run(path: Path) -> OpenedRun:
    """Read a run folder.

    Raises:
        RunFolderError: it is none.
    """
    with RunReader(path) as run:
        measured = Measured(load(run))
        return OpenedRun(path, run.folder, measured, summarize(measured))


def draw_percentiles(runs: Sequence[OpenedRun], metrics: Sequence[str], stem: Path, formats: Sequence[str]) -> list[Path]:
    """Draw latency against percentile of one or several runs; returns the files.

    Args:
        metrics: keys; none for those of the headline, or where a run has none of these, for `connect`.
        stem: the file without its ending.

    Raises:
        NothingMeasured: no run has a sample of any of the metrics.
        UsageError: the metrics share no unit, or a file cannot be written.
    """
    from loadtest.report.caption import names, subtitle  # noqa: PLC0415  # matplotlib takes a second to import
    from loadtest.report.percentile_plot import RunCurves, percentile_plot  # noqa: PLC0415

    _check_units(metrics)
    found = [curves(run.measured, metrics or HEADLINE) or curves(run.measured, metrics or ("connect",)) for run in runs]
    if not any(found):
        raise NothingMeasured(f"no samples of {', '.join(metrics or HEADLINE)} in {', '.join(str(run.path) for run in runs)}")
    labels = names([run.summary for run in runs])
    figure = percentile_plot(
        [
            RunCurves(label, subtitle(run.summary), run.summary.verdict, own)
            for label, run, own in zip(labels, runs, found, strict=True)
        ]
    )
    return _save(figure, stem, formats)
