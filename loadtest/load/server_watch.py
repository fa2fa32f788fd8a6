"""The server's own resources, sampled beside the load."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import gevent

from loadtest.errors import UsageError
from loadtest.load.container import held_back_ns
from loadtest.load.server_source import Reading, Source
from loadtest.model import SERVER, Batch, Count, ServerSample

EVERY_S: Final = 1.0


class ServerWatch:
    """Samples a source once a second until it is stopped.

    Args:
        put: takes each batch.

    Raises:
        UsageError: the source cannot be read.
    """

    def __init__(self, source: Source, put: Callable[[Batch], None]) -> None:
        self._source = source
        self._put = put
        self._sequence = 0
        self._before = (time.monotonic_ns(), source.read())
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        self._greenlet.kill()

    def _watch(self) -> None:
        while True:
            gevent.sleep(EVERY_S)
            try:
                now, reading = time.monotonic_ns(), self._source.read()
            except UsageError:  # the server is gone, or too busy to answer: that is no reason to end the run
                self._send(Batch(SERVER, self._sequence, counters=[Count("server_sample_failed", "", 1)]))
                continue
            sample = sample_of(self._source.name, *self._before, now, reading)
            self._before = (now, reading)
            self._send(Batch(SERVER, self._sequence, server=[sample]))

    def _send(self, batch: Batch) -> None:
        self._sequence += 1
        self._put(batch)


def sample_of(name: str, before_ns: int, before: Reading, now_ns: int, reading: Reading) -> ServerSample:
    """What happened between two readings; a server that was started anew has no CPU time of that interval.

    A process that was not there before counts from its next reading on: what it spent was spent at any time before.
    """
    earlier, threads = before.processes_s or {}, before.threads_s or {}
    known = [seconds - earlier[key] for key, seconds in (reading.processes_s or {}).items() if key in earlier]
    spent = [seconds - threads.get(key, 0.0) for key, seconds in (reading.threads_s or {}).items() if key[0] in earlier]
    cpu_s, busiest = sum(known) if known else None, max(spent, default=None)
    interval_ns = max(now_ns - before_ns, 1)
    cores = min((limit for limit in (reading.cores, reading.cpu.cores) if limit is not None), default=None)
    return ServerSample(
        source=name,
        at_ns=now_ns,
        interval_ns=interval_ns,
        cpu_ns=_nanoseconds(cpu_s),
        busiest_ns=_nanoseconds(busiest),
        memory_bytes=reading.memory_bytes,
        memory_limit=reading.memory_limit,
        open_files=reading.open_files,
        files_limit=reading.files_limit,
        cpu_limit_ns=None if cores is None else round(cores * interval_ns),
        throttled_ns=held_back_ns(before.cpu, reading.cpu),
        charged_bytes=reading.charged.taken if reading.charged is not None else None,
        charged_limit=reading.charged.limit if reading.charged is not None else None,
    )


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None or not 0 <= seconds < 1e6 else round(seconds * 1e9)
