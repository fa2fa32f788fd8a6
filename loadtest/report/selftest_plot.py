"""The error against the truth as load grows, and what the load costs, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from loadtest.analysis.accuracy import PercentileError
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.promise import ERROR_MS
from loadtest.analysis.selftest import Level, Selftest
from loadtest.metrics import BY_KEY, HEADLINE
from loadtest.report.figure import COLORS, GREY, LINES, MARKERS, WARNING, logarithmic, new_figure, soften
from loadtest.report.units import milliseconds

FLOOR_MS: Final = 0.001
"""What is drawn for less: a microsecond is noise."""


def selftest_plot(result: Selftest) -> Figure:
    """Errors of p99 above, cores kept busy below, both against frames a second; a cross is a disturbed generator."""
    figure = new_figure(9.6, 6.6)
    errors, cores = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _errors(errors, result)
    _cores(cores, result)
    figure.suptitle("What this machine can measure", x=0.01, ha="left", fontsize=13, fontweight="bold")
    errors.set_title(_subtitle(result), loc="left", fontsize=9, color=GREY)
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _subtitle(result: Selftest) -> str:
    if result.max_users is None:
        return "no load that was tried is measured within the larger of 1 ms and 1 %"
    return (
        f"up to {result.max_users:,} users, {result.max_messages_per_s:,.0f} messages/s, "
        f"{result.max_frames_per_s:,.0f} frames/s: {result.promise}"
    )


def _errors(axes: Axes, result: Selftest) -> None:
    logarithmic(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: milliseconds(value)))
    axes.set_ylabel("error of p99, either way")
    for place, key in enumerate(HEADLINE):
        color, line, marker = COLORS[place], LINES[place], MARKERS[place]
        axes.plot(
            _frames(result.levels), _sizes(result.levels, key), color=color, linestyle=line, marker=marker,
            linewidth=2.0, markersize=5.5, label=BY_KEY[key].label,
        )  # fmt: skip
        axes.plot(
            _frames(result.disturbed), _sizes(result.disturbed, key), color=color, linestyle="none", marker="x",
            markersize=9, markeredgewidth=2.0, label=f"{BY_KEY[key].label}, disturbed",
        )  # fmt: skip
    axes.axhline(ERROR_MS, color=WARNING, linewidth=1.0, linestyle=":")
    axes.annotate(
        "allowed: 1 ms, or 1 % where that is more", (1.0, ERROR_MS), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=8, color=WARNING,
    )  # fmt: skip
    soften(axes)


def _cores(axes: Axes, result: Selftest) -> None:
    for place, (name, values) in enumerate(
        (
            ("generator", [level.generator_cpu for level in result.levels]),
            ("server", [level.server_cpu for level in result.levels]),
        )
    ):
        points = _known(values)
        axes.plot(
            _frames(result.levels), points, color=GREY, linestyle=LINES[place], marker=MARKERS[place + 3], linewidth=1.5
        )
        if len(points) and np.isfinite(points[-1]):
            axes.annotate(
                name, (_frames(result.levels)[-1], points[-1]), (6, -3), textcoords="offset points", fontsize=9
            )
    axes.set_ylim(0, 1.1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_ylabel("of a core")
    axes.set_xlabel("frames received a second")
    axes.set_xlim(0, 1.12 * max(level.frames_per_s for level in result.runs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    soften(axes)


def _frames(levels: Sequence[Level]) -> Floats:
    return np.array([level.frames_per_s for level in levels], np.float64)


def _sizes(levels: Sequence[Level], key: str) -> Floats:
    found = [_p99(level, key) for level in levels]
    return _known([None if error is None else max(abs(error.error_ms), FLOOR_MS) for error in found])


def _p99(level: Level, key: str) -> PercentileError | None:
    return level.accuracy.metrics[key].percentiles["p99"] if level.accuracy else None


def _known(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
