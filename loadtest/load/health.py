"""How the generator itself is doing: event-loop lag, tick by tick, and once a second CPU, collections, worst lags."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, MutableSequence
from typing import Final

import gevent
import psutil
from msgspec import Struct

from loadtest.load.alarm import Alarm
from loadtest.load.container import ThrottleClock
from loadtest.load.recorder import Recorder
from loadtest.model import Health

TICK_NS: Final = 10_000_000
"""A tick of the event loop is due this often; how late each one is, is the lag of the loop."""
TICKS_AT_ONCE: Final = 6_000
"""A minute's ticks: a machine that slept for a night does not make a million samples of it."""
SAMPLE_NS: Final = 1_000_000_000


class GcClock:
    """Time that the garbage collector has held this process."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._began_ns = 0

    def start(self) -> None:
        gc.callbacks.append(self._on_gc)

    def stop(self) -> None:
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    def _on_gc(self, phase: str, _info: dict[str, int]) -> None:
        now = time.monotonic_ns()
        if phase == "start":
            self._began_ns = now
        else:
            self.total_ns += now - self._began_ns


class Ticks:
    """Ticks due at fixed instants, of which none is left out.

    A loop that was blocked through ten of them was late for each: counting only the one that it woke up for would hide
    just those times that matter (coordinated omission).

    Args:
        start_ns: the first tick is due one interval after it.
        lags: the lag of each tick, ns, is appended here.
    """

    def __init__(self, start_ns: int, lags: MutableSequence[int]) -> None:
        self.due_ns = start_ns + TICK_NS
        self._lags = lags

    def pass_until(self, now_ns: int) -> int:
        """Account for all ticks that were due by now; returns the largest lag among them, 0 without any."""
        worst = max(now_ns - self.due_ns, 0)
        overdue = worst // TICK_NS + 1 if now_ns >= self.due_ns else 0
        self._lags.extend(worst - place * TICK_NS for place in range(min(overdue, TICKS_AT_ONCE)))
        self.due_ns += overdue * TICK_NS
        return worst


def stolen_ns() -> int | None:
    """Time that a hypervisor has withheld from this machine since it started, all cores together (proc(5), `steal`)."""
    steal: float | None = getattr(psutil.cpu_times(), "steal", None)
    return None if steal is None else round(steal * 1e9)


class _Second(Struct):
    """What the sample that is being gathered began with."""

    began_ns: int
    cpu_ns: int
    gc_ns: int
    stolen_ns: int | None
    worst_ns: int = 0


class HealthWatch:
    """Samples one process until it is stopped.

    Args:
        recorder: gets every loop lag, and a `Health` a second.
        alarm: wakes the ticks as it wakes the users, so that their lag is what users suffer.
        census: returns (users, open connections).
    """

    def __init__(self, recorder: Recorder, alarm: Alarm, census: Callable[[], tuple[int, int]]) -> None:
        self._recorder = recorder
        self._alarm = alarm
        self._census = census
        self._gc = GcClock()
        self._own = psutil.Process()
        self._throttled = ThrottleClock(self._own.pid)
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._gc.start()
        self._throttled.passed_ns()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Stop, with a last sample of what is left of the second."""
        self._gc.stop()
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _watch(self) -> None:
        second = self._begin(time.monotonic_ns())
        ticks = Ticks(second.began_ns, self._recorder.loop_lags)
        try:
            while True:
                self._alarm.wait_until(ticks.due_ns)
                now = time.monotonic_ns()
                second.worst_ns = max(second.worst_ns, ticks.pass_until(now))
                if now - second.began_ns >= SAMPLE_NS:
                    self._sample(now, second)
                    second = self._begin(now)
        finally:
            self._sample(time.monotonic_ns(), second)

    def _begin(self, now: int) -> _Second:
        return _Second(now, time.process_time_ns(), self._gc.total_ns, stolen_ns())

    def _sample(self, now: int, second: _Second) -> None:
        recorder = self._recorder
        users, connections = self._census()
        stolen = stolen_ns()
        recorder.on_health(
            Health(
                process=recorder.process,
                at_ns=now,
                interval_ns=max(now - second.began_ns, 1),
                users=users,
                connections=connections,
                frames=len(recorder.lags),
                cpu_ns=time.process_time_ns() - second.cpu_ns,
                loop_lag_ns=second.worst_ns,
                gc_ns=self._gc.total_ns - second.gc_ns,
                send_lag_ns=recorder.worst_send_lag_ns,
                receive_lag_ns=max(recorder.lags, default=0),
                rss_bytes=self._own.memory_info().rss,
                steal_ns=None if stolen is None or second.stolen_ns is None else stolen - second.stolen_ns,
                throttled_ns=self._throttled.passed_ns(),
            )
        )
        recorder.worst_send_lag_ns = 0
        recorder.fold(now)
