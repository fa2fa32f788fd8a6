"""What names a run on plots."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.analysis.values import Summary
from loadtest.report.units import duration


def subtitle(summary: Summary) -> str:
    """What was measured, in one line."""
    run = summary.run
    users = f"{run.users:,} users" if run.users is not None else "users by a shape"
    labels = "".join(f" · {key}={value}" for key, value in run.labels.items())
    return f"{run.host} · {users} · {duration(run.window.seconds)} of {duration(run.duration_s)} measured{labels}"


def names(summaries: Sequence[Summary]) -> list[str]:
    """What tells runs apart: the labels in which they differ, or else the names of their folders."""
    keys = list(dict.fromkeys(key for summary in summaries for key in summary.run.labels))
    telling = [key for key in keys if len({summary.run.labels.get(key) for summary in summaries}) > 1]
    labels = [" ".join(summary.run.labels.get(key, "–") for key in telling) for summary in summaries]
    if len(set(labels)) == len(summaries):
        return labels
    return [summary.run.folder for summary in summaries]
