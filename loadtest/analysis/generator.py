"""How the load generator itself did over the steady window, process by process: what its verdict is made of.

A generator is as good as the worst of its processes, so nothing here is averaged over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.percentiles import required_samples
from loadtest.analysis.records import Records
from loadtest.analysis.window import Window
from loadtest.model import WITHOUT_USERS, Health

_Q: Final = 0.99
CONNECTED: Final = 0.9
"""Share of the users asked for that have to be connected, in the mean of the window."""
ENOUGH_CONNECTIONS: Final = 500
"""From so many on, what a connection takes outweighs what a process allocates anyway, some 5 MB in its first
seconds."""


class ProcessHealth(Struct, frozen=True):
    """One process over the steady window; None where it left too few samples.

    Attributes:
        cpu_share: of one core, mean.
        gc_share: of the time, spent in garbage collection.
        loop_lag_p99_ms: of the ticks of its event loop.
        loop_lag_max_ms: the longest that its event loop stood still.
        receive_lag_p99_ms: kernel receipt to callback, of the frames.
        frames_per_s: received, mean.
        cpu_per_frame_us: CPU time by frames received, everything that the process does included.
        connections: held, mean.
        steal_share: of the time of a core, what the hypervisor gave to others; mean over the cores of the machine.
        throttled_share: of the time, at most, that it stood still since its container's CPU limit was used up; None
            without one.
        kb_per_connection: by how much it grew from its first second until most connections were held, for each of them;
            None below `ENOUGH_CONNECTIONS`.
        rss_mb: resident memory at the end, MB; median of the last tenth of the window.
        rss_growth_mb: the same less that of its first tenth.
    """

    process: str
    cpu_share: float | None
    gc_share: float | None
    loop_lag_p99_ms: float | None
    loop_lag_max_ms: float | None
    receive_lag_p99_ms: float | None
    frames_per_s: float | None
    cpu_per_frame_us: float | None
    connections: float | None
    steal_share: float | None
    kb_per_connection: float | None = None
    rss_mb: float | None = None
    rss_growth_mb: float | None = None
    throttled_share: float | None = None


class Generator(Struct, frozen=True):
    """The generator.

    Attributes:
        processes: those that held users.
        achieved_ratio: of the actions that schedules wanted until sending stopped, the share that was done; None where
            nothing was wanted.
        longest_silence_s: the longest time between two reports of a process.
        connections_asked: that the users asked for have in the mean, where some come and go, and intruders have none.
        connections_least: with fewer, in the mean, it was a load of fewer users.
    """

    processes: list[ProcessHealth]
    achieved_ratio: float | None
    longest_silence_s: float
    connections_asked: int = 0
    connections_least: float = 0.0

    @property
    def connections(self) -> float | None:
        """Held by all processes, mean; None where that is not known."""
        held = [process.connections for process in self.processes if process.connections is not None]
        return round(sum(held), 1) if held else None

    @property
    def too_few_connected(self) -> bool:
        held = self.connections
        return held is not None and held < self.connections_least

    def worst(self, name: str) -> tuple[str, float] | None:
        """The process with the largest value of a field of `ProcessHealth`, and that value; None where none has one."""
        known = [(p.process, value) for p in self.processes if (value := getattr(p, name)) is not None]
        return max(known, key=lambda pair: pair[1], default=None)


def generator(records: Records, window: Window) -> Generator:
    """Fold the health samples and counts of a run."""
    names = sorted({sample.process for sample in records.health} - WITHOUT_USERS)
    done, never = records.count("actions_done"), records.count("actions_never_done")
    silences = [length for process, length in records.longest_silences.items() if process not in WITHOUT_USERS]
    asked, present = _connections_asked(records), records.info.present_share
    by_chance = 2.0 * math.sqrt(asked * (1.0 - present))  # of users who come and go independently
    return Generator(
        processes=[_process(name, records, window) for name in names],
        achieved_ratio=round(done / (done + never), 6) if done + never else None,
        longest_silence_s=round(max(silences, default=0) / 1e9, 3),
        connections_asked=asked,
        connections_least=round(max(CONNECTED * asked - by_chance, 0.0), 1),
    )


def _connections_asked(records: Records) -> int:
    intruders = {connect.user for connect in records.intruders}  # who are not to be connected
    return round(max((records.info.users or 0) - len(intruders), 0) * records.info.present_share)


def _process(name: str, records: Records, window: Window) -> ProcessHealth:
    own = [h for h in records.health if h.process == name and window.holds(h.at_ns - h.interval_ns, h.at_ns)]
    seconds = sum(sample.interval_ns for sample in own) / 1e9
    frames = sum(sample.frames for sample in own)
    cpu_s = sum(sample.cpu_ns for sample in own) / 1e9
    return ProcessHealth(
        process=name,
        cpu_share=_ratio(cpu_s, seconds),
        gc_share=_ratio(sum(sample.gc_ns for sample in own) / 1e9, seconds),
        loop_lag_p99_ms=_p99("loop_lag", name, records, window),
        loop_lag_max_ms=round(max(sample.loop_lag_ns for sample in own) / 1e6, 3) if own else None,
        receive_lag_p99_ms=_p99("receive_lag", name, records, window),
        frames_per_s=_ratio(frames, seconds),
        cpu_per_frame_us=_ratio(cpu_s * 1e6, frames),
        connections=_mean(own),
        steal_share=_steal(own, seconds, int(records.info.generator.get("processors") or 0)),
        kb_per_connection=_memory_per_connection(name, records),
        throttled_share=_throttled(own, seconds),
        **_growth(own),
    )


def _memory_per_connection(process: str, records: Records) -> float | None:
    own = [h for h in records.health if h.process == process and h.rss_bytes is not None]
    if not own:
        return None
    first, most = own[0], max(own, key=lambda sample: sample.connections)
    gained = most.connections - first.users  # those on their way take memory, too
    if gained < ENOUGH_CONNECTIONS:
        return None
    return round(((most.rss_bytes or 0) - (first.rss_bytes or 0)) / 1e3 / gained, 1)


def _growth(own: list[Health]) -> dict[str, float | None]:
    sizes = np.array([sample.rss_bytes for sample in own if sample.rss_bytes is not None], np.float64) / 1e6
    if not len(sizes):
        return {}
    tenth = max(len(sizes) // 10, 1)
    first, last = float(np.median(sizes[:tenth])), float(np.median(sizes[-tenth:]))
    return {"rss_mb": round(last, 1), "rss_growth_mb": round(last - first, 1)}


def _steal(own: list[Health], seconds: float, processors: int) -> float | None:
    stolen = [sample.steal_ns for sample in own if sample.steal_ns is not None]
    return _ratio(sum(stolen) / 1e9, seconds * processors) if len(stolen) == len(own) else None


def _throttled(own: list[Health], seconds: float) -> float | None:
    waits = [sample.throttled_ns for sample in own if sample.throttled_ns is not None]
    return _ratio(sum(waits) / 1e9, seconds) if waits else None


def _p99(metric: str, process: str, records: Records, window: Window) -> float | None:
    found = Distribution.of_counts(
        part
        for part in records.histograms
        if part.metric == metric and part.process == process and window.holds(part.start_ns, part.end_ns)
    )
    return round(found.quantile(_Q), 3) if found.count >= required_samples(_Q) else None


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _mean(samples: Iterable[Health]) -> float | None:
    held = np.array([sample.connections for sample in samples], np.float64)
    return round(float(held.mean()), 1) if len(held) else None
