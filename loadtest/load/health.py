"""How the generator itself is doing, once a second: event-loop lag, CPU, garbage collection, send and receive lag."""

from __future__ import annotations

import gc
import time
from typing import Any, Final

import gevent

from loadtest.load.recorder import Recorder
from loadtest.model import Health

TICK_S: Final = 0.02
"""A timer this often; how late it fires is the lag of the event loop."""
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


class HealthWatch:
    """Samples one process until it is stopped.

    Args:
        recorder: gets a `Health` a second.
        census: returns (users, open connections).
    """

    def __init__(self, recorder: Recorder, census: Any) -> None:
        self._recorder = recorder
        self._census = census
        self._gc = GcClock()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._gc.start()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Stop, with a last sample of what is left of the second."""
        self._gc.stop()
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _watch(self) -> None:
        began = time.monotonic_ns()
        cpu, collected, worst = time.process_time_ns(), self._gc.total_ns, 0
        due = began
        try:
            while True:
                due += round(TICK_S * 1e9)
                now = time.monotonic_ns()
                gevent.sleep(max(due - now, 0) / 1e9)
                now = time.monotonic_ns()
                worst = max(worst, now - due)
                due = max(due, now - round(TICK_S * 1e9))
                if now - began >= SAMPLE_NS:
                    self._sample(now, now - began, cpu, collected, worst)
                    began, cpu, collected, worst = now, time.process_time_ns(), self._gc.total_ns, 0
        finally:
            now = time.monotonic_ns()
            self._sample(now, max(now - began, 1), cpu, collected, worst)

    def _sample(self, now: int, interval: int, cpu_before: int, gc_before: int, worst: int) -> None:
        recorder = self._recorder
        users, connections = self._census()
        recorder.on_health(
            Health(
                process=recorder.process,
                at_ns=now,
                interval_ns=interval,
                users=users,
                connections=connections,
                frames=len(recorder.lags),
                cpu_ns=time.process_time_ns() - cpu_before,
                loop_lag_ns=worst,
                gc_ns=self._gc.total_ns - gc_before,
                send_lag_ns=recorder.worst_send_lag_ns,
                receive_lag_ns=max(recorder.lags, default=0),
            )
        )
        recorder.worst_send_lag_ns = 0
        recorder.fold(now)
