"""The pictures of several builds. Imported when one is drawn: matplotlib takes a second to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from loadtest.analysis.shift import Shift
from loadtest.analysis.trend import Trend
from loadtest.commands.builds import Builds, shifts
from loadtest.report.comparison_plot import comparison_plot
from loadtest.report.figure import save
from loadtest.report.trend_plot import trend_plot


def comparison_figure(builds: Builds, moved: Sequence[Shift]) -> Figure:
    """Two builds: the shift of each quantile, and every pair."""
    runs = (*builds.base, *builds.candidate)
    hosts = " and ".join(dict.fromkeys(run.host for run in (builds.base[0], builds.candidate[0])))
    words = f"{hosts} · {len(builds.base)} and {len(builds.candidate)} runs"
    return comparison_plot(builds.result, moved, words, [run.verdict for run in runs])


def draw_comparison(builds: Builds, files: Sequence[Path]) -> None:
    """Draw two builds.

    Raises:
        UsageError: a file cannot be written.
    """
    figure = comparison_figure(builds, shifts(builds))
    for file in files:
        save(figure, file)


def draw_trend(result: Trend, files: Sequence[Path]) -> None:
    """Draw runs in the order of time.

    Raises:
        UsageError: a file cannot be written.
    """
    figure = trend_plot(result)
    for file in files:
        save(figure, file)
