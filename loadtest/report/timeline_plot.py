"""A run over time: percentiles above; users, sends and errors beneath."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from loadtest.analysis.timeline import QUANTILES, ServerTrack, Timeline, Track
from loadtest.analysis.values import Verdict
from loadtest.metrics import BY_KEY
from loadtest.report.figure import COLORS, GREY, MARKERS, WARNING, headings, logarithmic, new_figure, soften
from loadtest.report.units import duration, milliseconds, quantity

_IN_SIGHT = 3.0
"""Times the CPU taken: a limit that is further away would flatten what is drawn."""


def timeline_plot(line: Timeline, subtitle: str, verdict: Verdict) -> Figure:
    """The figure: one panel for each track, one for users, one for messages a second."""
    tracks = line.tracks
    lower = [0.7, 1.0] + ([1.0] if line.server is not None else [])
    figure = new_figure(9.6, 2.2 + 1.9 * len(tracks) + 1.1 * len(lower) - 0.3)
    ratios = [1.6] * len(tracks) + lower
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for axes, track in zip(panels, tracks, strict=False):
        _percentiles(axes, line, track)
    _users(panels[len(tracks)], line)
    _rates(panels[len(tracks) + 1], line)
    if line.server is not None:
        _server(panels[-1], line, line.server)
    for axes in panels:
        _steady(axes, line)
        soften(axes)
    panels[-1].set_xlim(0, line.times_s[-1] + line.step_s / 2)
    panels[-1].set_xlabel(
        f"time since the start, s (intervals of {duration(line.step_s)}; grey: outside the steady window)"
    )
    headings(figure, panels[0], "The run over time", subtitle, [verdict])
    return figure


def _percentiles(axes: Axes, line: Timeline, track: Track) -> None:
    styles = (("-", 2.0), ("--", 1.4), (":", 1.4))
    for (name, _), (style, width), color, marker in zip(QUANTILES, styles, COLORS, MARKERS, strict=False):
        values = track.quantiles[name]
        if np.isnan(values).all():  # too few messages in an interval
            continue
        shown = np.where(np.isfinite(values), values, np.nan)
        axes.plot(line.times_s, shown, style, color=color, linewidth=width, marker=marker, markersize=3, label=name)
        lost = line.times_s[np.isinf(values)]
        if len(lost):
            top = np.full(len(lost), 0.97)
            axes.plot(lost, top, "^", color=color, markersize=6, transform=axes.get_xaxis_transform(), clip_on=False)
    metric = BY_KEY[track.metric]
    finite = np.concatenate([values[np.isfinite(values)] for values in track.quantiles.values()])
    if len(finite) and finite.min() > 0 and finite.max() > 20 * finite.min():
        logarithmic(axes)
    else:
        axes.set_ylim(0, 1.12 * finite.max() if len(finite) else None)
    scale = milliseconds if metric.unit == "ms" else lambda value: quantity(value, "")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scale(value)))
    axes.set_ylabel(metric.label)
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Above the panel, in one row, where it hides no curve."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1, ncols=4, frameon=False, fontsize=8)


def _users(axes: Axes, line: Timeline) -> None:
    axes.fill_between(line.times_s, line.users, step="mid", color=GREY, alpha=0.35, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.set_ylabel("users")


def _rates(axes: Axes, line: Timeline) -> None:
    axes.step(line.times_s, line.sends, where="mid", color=COLORS[0], linewidth=1.6, label="sent")
    if line.rejected.any():
        axes.step(line.times_s, line.rejected, "--", where="mid", color=COLORS[1], linewidth=1.4, label="rejected")
    if line.errors.any():
        axes.step(line.times_s, line.errors, ":", where="mid", color=WARNING, linewidth=1.8, label="errors")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("messages / s")
    _legend(axes)


def _server(axes: Axes, line: Timeline, server: ServerTrack) -> None:
    """CPU on the left, memory on the right; dotted, one core: an event loop has no more."""
    for values, style, color, label in (
        (server.cores, "-", COLORS[0], "CPU, all threads"),
        (server.busiest, "--", COLORS[1], "busiest thread"),
    ):
        if np.isfinite(values).any():
            axes.plot(line.times_s, values, style, color=color, linewidth=1.5, label=label)
    axes.axhline(1.0, color="black", linestyle=":", linewidth=0.8)
    highest = float(np.nanmax(server.cores, initial=1.0))
    limit = float(np.nanmax(server.limit, initial=0.0))
    if 0 < limit <= _IN_SIGHT * highest:
        axes.plot(line.times_s, server.limit, "-.", color=GREY, linewidth=1.2, label="CPU limit")
        highest = max(highest, limit)
    axes.set_ylim(0, 1.15 * highest)
    axes.set_ylabel("server, cores")
    if np.isfinite(server.memory_mb).any():
        beside = axes.twinx()
        beside.plot(line.times_s, server.memory_mb, ":", color=COLORS[2], linewidth=1.6)
        beside.set_ylim(0, 1.15 * float(np.nanmax(server.memory_mb)))
        beside.set_ylabel("memory, MB", color=COLORS[2])
        beside.spines["top"].set_visible(False)
        axes.plot([], [], ":", color=COLORS[2], label="memory")
    _legend(axes)


def _steady(axes: Axes, line: Timeline) -> None:
    begin, end = line.steady_s
    for left, right in ((0.0, begin), (end, line.times_s[-1] + line.step_s / 2)):
        if right > left:
            axes.axvspan(left, right, color="#000000", alpha=0.06, linewidth=0)
