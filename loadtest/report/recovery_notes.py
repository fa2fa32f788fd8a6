"""What a run says of outages and returns, as lines of the summary and as rows of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loadtest.analysis.recovery import Recovery
from loadtest.report.units import number


def recovery_notes(found: Recovery) -> Iterable[str]:
    """The same as lines."""
    return (f"{name}: {text}" for name, text in recovery_rows(found))


def recovery_rows(found: Recovery) -> Iterable[tuple[str, str]]:
    """Names and words for what there is something to say about."""
    if found.commands:
        yield "--outage-command", _listed(found.commands)
    for cause, own in found.causes.items():
        noticed = f", noticed after {own.noticed_s:.1f} s" if own.noticed_s >= 0.001 else ""
        lost = f", {number(own.lost)} messages lost in flight" if own.lost else ""
        yield f"outages by {cause}", f"{number(own.outages)} = {_listed(own.ended, ' + ')}{noticed}{lost}"
    if found.attempts:
        yield "waits before attempts", _attempts(found)
    if found.herd is not None:
        herd = found.herd
        yield (
            "herd",
            f"{number(herd.users)} connections lost at {herd.at_s:.1f} s within {herd.within_s:.2f} s; at most "
            f"{number(herd.most_at_once)} attempts in 0.1 s; back: {_shares(herd.back_s)}",
        )
    if found.queue is not None:
        queue = found.queue
        outcomes = _listed(queue.outcomes, " + ")
        left = f", {number(queue.after_absences)} of them by who had left or given up" if queue.after_absences else ""
        yield "offline queue", f"{number(queue.waited)} waited = {outcomes}; {number(queue.sent)} sent{left}"
        if queue.broadcasts:
            yield "flushed messages as their senders heard them", _listed(queue.broadcasts)
        if queue.out_of_order is not None:
            yield "flushed messages as others received them", f"{number(queue.out_of_order)} out of order"
    if found.ghosts is not None:
        ghosts = found.ghosts
        held = "" if ghosts.held_s is None else f", after {ghosts.held_s:.1f} s (median)"
        yield (
            "ghosts",
            f"{number(ghosts.ghosts)}, {number(ghosts.outlived)} of them still there when the user was back; "
            f"{number(ghosts.ended)} ended by the server{held}; {number(ghosts.broadcasts)} broadcasts went to them",
        )
    if found.missed is not None:
        yield "missed while away", f"{number(found.missed)} messages of others"
    if found.gave_up:
        yield "gave up", f"{_listed(found.gave_up)}; {number(found.started_anew)} began anew"


def _attempts(found: Recovery) -> str:
    rows = (
        f"{row.number}. {row.count:,} x {row.shortest_s:.2f}–{row.longest_s:.2f} s "
        f"of {row.least_s:.2f}–{row.most_s:.2f}"
        for row in found.attempts
    )
    off = sum(row.off_schedule for row in found.attempts)
    return f"{', '.join(rows)}; {number(off)} off the schedule"


def _shares(times: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'never' if at is None else f'{at:.2f} s'}" for name, at in times.items())


def _listed(found: Mapping[str, int], between: str = ", ") -> str:
    return between.join(f"{count:,} x {key}" if between == ", " else f"{count:,} {key}" for key, count in found.items())
