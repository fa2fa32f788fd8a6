"""The measured set: which part of a run its percentiles are over."""

from __future__ import annotations

from msgspec import Struct

from loadtest.analysis.records import Records

NS: float = 1e9


class Window(Struct, frozen=True):
    """The steady window: what was *intended* in [start, stop) counts.

    Attributes:
        start_ns: end of the warm-up, monotonic ns.
        stop_ns: when sending stopped, monotonic ns.
        start_s: the same, seconds from the start of the run.
        stop_s: the same, seconds from the start of the run.
        note: why it begins where it does, in words.
    """

    start_ns: int
    stop_ns: int
    start_s: float
    stop_s: float
    note: str

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s

    def holds(self, start_ns: int, end_ns: int) -> bool:
        """Whether an interval lies wholly in the window; one that reaches beyond holds what spawning or the end did."""
        return self.start_ns <= start_ns and end_ns <= self.stop_ns

    def whole(self, length_s: float) -> tuple[int, int]:
        """Start and stop (ns) of the longest part from the start on that is a whole number of such lengths.

        A limiter that admits a full allowance at the start of each of its windows is seen fairly only over whole ones.
        """
        count = int(self.seconds / length_s + 1e-9)
        return self.start_ns, self.start_ns + round(count * length_s * NS)


def steady(records: Records) -> Window:
    """The steady window of a run.

    It lasts from the end of the warm-up to the end of sending. The default warm-up is the spawning and one limiter
    window after it: until then a fixed-window limiter still forgives what it will refuse later. A run too short to
    leave another limiter window after that counts from the end of spawning.
    """
    info = records.info
    stop = max(info.stopped_ns if info.stopped_ns is not None else records.end_ns, info.started_ns)
    start, note = _start(records, stop)
    origin = info.started_ns
    return Window(start, stop, (start - origin) / NS, (stop - origin) / NS, note)


def _start(records: Records, stop: int) -> tuple[int, str]:
    info = records.info
    if info.warmup_s is not None:
        start = info.started_ns + round(info.warmup_s * NS)
        if start < stop:
            return start, f"from --warmup {info.warmup_s:g} s on"
    if info.spawned_ns is None or info.spawned_ns >= stop:
        return info.started_ns, "from the start on: spawning never ended"
    if info.warmup_s is not None:
        return info.spawned_ns, f"from the end of spawning on: the run ended within --warmup {info.warmup_s:g} s"
    limiter = round((info.limit_window_s or 0.0) * NS)
    if not limiter:
        return info.spawned_ns, "from the end of spawning on"
    if info.spawned_ns + 2 * limiter <= stop:
        return info.spawned_ns + limiter, "from one limiter window after the end of spawning on"
    return info.spawned_ns, "from the end of spawning on: too short a run to leave out a limiter window"
