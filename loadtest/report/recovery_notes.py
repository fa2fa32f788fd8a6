"""What a summary says of outages and returns, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loadtest.analysis.recovery import Recovery
from loadtest.report.units import number


def recovery_notes(found: Recovery) -> Iterable[str]:
    """Lines on what there is something to say about."""
    if found.commands:
        yield f"--outage-command: {_listed(found.commands)}"
    for cause, own in found.causes.items():
        noticed = f", noticed after {own.noticed_s:.1f} s" if own.noticed_s >= 0.001 else ""
        lost = f", {number(own.lost)} messages lost in flight" if own.lost else ""
        yield f"outages by {cause}: {number(own.outages)} = {_listed(own.ended, ' + ')}{noticed}{lost}"
    if found.attempts:
        yield from _attempts(found)
    if found.herd is not None:
        herd = found.herd
        yield (
            f"herd: {number(herd.users)} connections lost at {herd.at_s:.1f} s within {herd.within_s:.2f} s; at most "
            f"{number(herd.most_at_once)} attempts in 0.1 s; back: {_shares(herd.back_s)}"
        )
    if found.queue is not None:
        queue = found.queue
        outcomes = _listed(queue.outcomes, " + ")
        yield f"offline queue: {number(queue.waited)} waited = {outcomes}; {number(queue.sent)} sent"
        if queue.broadcasts:
            yield f"flushed messages as their senders heard them: {_listed(queue.broadcasts)}"
        if queue.out_of_order is not None:
            yield f"flushed messages as others received them: {number(queue.out_of_order)} out of order"
    if found.ghosts is not None:
        ghosts = found.ghosts
        held = "" if ghosts.held_s is None else f", after {ghosts.held_s:.1f} s (median)"
        yield (
            f"ghosts: {number(ghosts.ghosts)}, {number(ghosts.outlived)} of them still there when the user was back; "
            f"{number(ghosts.ended)} ended by the server{held}; {number(ghosts.broadcasts)} broadcasts went to them"
        )
    if found.missed is not None:
        yield f"missed while away: {number(found.missed)} messages of others"
    if found.gave_up:
        yield f"gave up: {_listed(found.gave_up)}; {number(found.started_anew)} began anew"


def _attempts(found: Recovery) -> Iterable[str]:
    rows = (
        f"{row.number}. {row.count:,} x {row.shortest_s:.2f}–{row.longest_s:.2f} s "
        f"of {row.least_s:.2f}–{row.most_s:.2f}"
        for row in found.attempts
    )
    off = sum(row.off_schedule for row in found.attempts)
    yield f"waits before attempts: {', '.join(rows)}; {number(off)} off the schedule"


def _shares(times: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'never' if at is None else f'{at:.2f} s'}" for name, at in times.items())


def _listed(found: Mapping[str, int], between: str = ", ") -> str:
    return between.join(f"{count:,} x {key}" if between == ", " else f"{count:,} {key}" for key, count in found.items())
