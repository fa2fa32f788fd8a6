"""The pictures of runs, from records to files. Imported when one is drawn: matplotlib takes a second to import."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from loadtest.analysis.curves import Curve, curves
from loadtest.analysis.herd import recovery_return
from loadtest.analysis.recovery import schedule
from loadtest.analysis.timeline import Timeline
from loadtest.analysis.values import Verdict
from loadtest.commands.opened import OpenedRun
from loadtest.errors import NothingMeasured, UsageError
from loadtest.metrics import BY_KEY, HEADLINE
from loadtest.report.caption import names, subtitle
from loadtest.report.figure import save
from loadtest.report.percentile_plot import RunCurves, percentile_plot
from loadtest.report.recovery_plot import recovery_plot
from loadtest.report.timeline_plot import timeline_plot

ENDINGS: Final = (".png", ".svg")
"""Every picture is left in both: one to look at, one to enlarge."""


def draw_percentiles(runs: Sequence[OpenedRun], metrics: Sequence[str], files: Sequence[Path]) -> None:
    """Draw latency against percentile of one or several runs.

    Args:
        metrics: keys; none for the headline, or `connect` where a run has no sample of that.
        files: the same picture goes to each; the ending decides the format.

    Raises:
        NothingMeasured: no run has a sample of any of the metrics.
        UsageError: the metrics share no unit, or a file cannot be written.
    """
    units = {BY_KEY[key].unit for key in metrics}
    if len(units) > 1:
        raise UsageError(f"--metric: {', '.join(metrics)} are in {' and '.join(sorted(units))}; plot them one by one")
    found = [_curves(run, metrics) for run in runs]
    if not any(found):
        raise NothingMeasured(
            f"no samples of {', '.join(metrics or HEADLINE)} in {', '.join(str(r.path) for r in runs)}"
        )
    labels = names([run.summary for run in runs])
    figure = percentile_plot(
        [
            RunCurves(label, subtitle(run.summary), run.summary.verdict, own)
            for label, run, own in zip(labels, runs, found, strict=True)
        ]
    )
    for file in files:
        save(figure, file)


def draw_timeline(run: OpenedRun, files: Sequence[Path]) -> None:
    """Draw one run over time.

    Raises:
        UsageError: a file cannot be written.
    """
    _draw_timeline(run.timeline, subtitle(run.summary), run.summary.verdict, files)


def _draw_timeline(values: Timeline, caption: str, verdict: Verdict, files: Sequence[Path]) -> None:
    figure = timeline_plot(values, caption, verdict)
    for file in files:
        save(figure, file)


def draw_recovery(run: OpenedRun, files: Sequence[Path]) -> None:
    """Draw how the users of one run came back.

    Raises:
        NothingMeasured: it has no outage.
        UsageError: a file cannot be written.
    """
    records = run.measured.records
    if not records.outages:
        raise NothingMeasured(f"{run.path}: has no outage; no connection was lost")
    figure = recovery_plot(
        recovery_return(records), schedule(records.info.options), subtitle(run.summary), run.summary.verdict
    )
    for file in files:
        save(figure, file)


def draw_run(run: OpenedRun, folder: Path) -> None:
    """Draw one run by percentile and over time, and its recovery where there were outages, into a folder.

    Raises:
        NothingMeasured: it has no sample to draw.
        UsageError: a file cannot be written.
    """
    if run.measured.records.outages:
        draw_recovery(run, files_in(folder, "recovery"))
    if sys.platform != "linux":  # where a fork is cheap and safe, two cores draw the two pictures
        draw_percentiles([run], (), files_in(folder, "percentiles"))
        draw_timeline(run, files_in(folder, "timeline"))
        return
    values, caption, verdict = run.timeline, subtitle(run.summary), run.summary.verdict
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as beside:
        other = beside.submit(_draw_timeline, values, caption, verdict, files_in(folder, "timeline"))
        draw_percentiles([run], (), files_in(folder, "percentiles"))
        other.result()


def files_in(folder: Path, name: str) -> list[Path]:
    """The files of a picture in a run folder."""
    return [folder / f"{name}{ending}" for ending in ENDINGS]


def _curves(run: OpenedRun, metrics: Sequence[str]) -> list[Curve]:
    return (
        curves(run.measured, metrics)
        if metrics
        else curves(run.measured, HEADLINE) or curves(run.measured, ["connect"])
    )
