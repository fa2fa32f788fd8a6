"""Looks after the workers of one run on Locust's master: who they are, what they are told, and their last reports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Final

import gevent
import msgspec
from locust.runners import HEARTBEAT_LIVENESS, STATE_MISSING, MasterRunner, WorkerNode

from loadtest.load.clock import Reading, WorkerClock, clock_id
from loadtest.load.crew import Crew
from loadtest.load.instants import shifted
from loadtest.load.numbers import Share
from loadtest.load.quirks import dispatch_order, end_dispatch, forget_worker
from loadtest.model import Batch, Worker

BEGIN: Final = "lt_begin"
"""To a worker, before its part of a run begins: its name, its share of the users, how many processes there are."""
DRAIN: Final = "lt_drain"
FINAL: Final = "lt_final"
ASK: Final = "lt_ask"
"""From a worker: a number for one more user; answered by `NUMBER`."""
NUMBER: Final = "lt_number"
CLOCK: Final = "lt_clock"
"""To a worker: what does its clock say; answered by the same."""
WATCH_S: Final = 1.0
"""How often workers are looked after: as often as Locust does (locust/runners.py, HEARTBEAT_INTERVAL)."""
SILENT_GRACE_S: Final = 15.0
"""How long the end of a run waits for a worker that is silent: a network that was lost for 10 s is back by then."""
POLL_S: Final = 0.05
CLOCK_WATCHES: Final = 10
"""Clocks are read as often as once in so many looks: they drift, and a reading in a quiet moment is closer."""


class Foreman:
    """The workers of one run.

    Args:
        runner: Locust's master.
        crew: who they are, and what becomes of them.
        started_ns: of the run, monotonic.
        keep: told of the workers whenever something becomes of one.
        end: called once all workers are gone for good.
        users: of the run, at most; None where nobody knows.
    """

    def __init__(
        self,
        runner: MasterRunner,
        crew: Crew,
        started_ns: int,
        keep: Callable[[list[Worker]], None],
        end: Callable[[], None],
        users: int | None,
    ) -> None:
        self._runner = runner
        self._crew = crew
        self._started_ns = started_ns
        self._keep = keep
        self._end = end
        self._users = users
        self._kept: list[Worker] = []
        self._clock_id = clock_id()
        self._clocks: dict[str, WorkerClock] = {}
        self._awaited: set[str] | None = None
        self._watcher: gevent.Greenlet | None = None

    def begin(self) -> None:
        """Share the users out, and watch from here on."""
        order = dispatch_order(self._runner)
        for client_id, share in self._crew.enlist(order).items():
            self._tell(client_id, share)
        self._watcher = gevent.spawn(self._watch_on)

    def on_connect(self, client_id: str) -> None:
        """A worker has connected; Locust moves users to it at once."""
        if client_id not in self._crew and self._awaited is None:
            self._tell(client_id, self._crew.join(client_id, self._now_s))
            self._keep_changes()

    @property
    def alone(self) -> bool:
        """Whether no worker is in touch any more."""
        return {client.id for client in self._runner.clients.all} <= self._silent()

    @property
    def deserted(self) -> bool:
        """Whether all workers have left or are gone for good."""
        return not self._crew.here

    def on_spawned(self) -> None:
        """All users have been dealt out."""
        end_dispatch(self._runner)

    def on_ask(self, client_id: str, question: int) -> None:
        """A worker asks for a number."""
        answer = {"question": question, "number": self._crew.grant(client_id)}
        self._runner.send_message(NUMBER, answer, client_id)

    def on_clock(self, client_id: str, asked_ns: int, read_ns: int, clock: str) -> None:
        """A worker has read its clock, as it was asked to."""
        if clock == self._clock_id:
            return
        kept = self._clocks.setdefault(client_id, WorkerClock())
        kept.read(Reading(asked_ns, read_ns, time.monotonic_ns()))
        self._crew.set_clock(client_id, kept)

    def on_our_clock(self, client_id: str, batch: Batch) -> Batch:
        """A worker's batch, with its instants on the clock of this process.

        Its clock is known by then: it was asked before the run, and answers what it is told in that order.
        """
        return shifted(batch, self._clocks[client_id].offset_ns) if client_id in self._clocks else batch

    def on_final(self, client_id: str) -> None:
        """A worker has sent its last report."""
        if self._awaited is None:
            self._crew.leave(client_id, self._now_s)
            self._keep_changes()
        else:
            self._awaited.discard(client_id)

    def drain(self, limit_s: float) -> list[str]:
        """Have the workers stop sending, and wait for their last reports; may be called again to go on waiting.

        Returns:
            The workers whose last report did not come.
        """
        if self._awaited is None:
            self._awaited = {client.id for client in self._runner.clients.all if client.id in self._crew}
            self._runner.send_message(DRAIN)
        began = time.monotonic()
        while self._awaited and (waited := time.monotonic() - began) < limit_s:
            gevent.sleep(POLL_S)
            if waited > SILENT_GRACE_S and self._awaited <= self._silent():
                break
        for client_id in self._awaited:
            self._crew.lose(client_id, self._now_s)
        if self._watcher is not None:
            self._watcher.kill()
        self._keep_changes()
        return self._crew.names(self._awaited)

    def _tell(self, client_id: str, share: Share) -> None:
        told = {
            "name": self._crew.name(client_id),
            "share": msgspec.structs.astuple(share),
            "of": len(self._crew.here),
            "users": self._users,
        }
        self._runner.send_message(BEGIN, told, client_id)
        self._read_clock(client_id)

    def _read_clock(self, client_id: str) -> None:
        self._runner.send_message(CLOCK, {"asked_ns": time.monotonic_ns()}, client_id)

    def _watch_on(self) -> None:
        for look in itertools.count():
            gevent.sleep(WATCH_S)
            clients = self._runner.clients
            heard = {client.id: client.user_count for client in clients.all if _is_heard(client)}
            for client_id in self._crew.watch(self._now_s, heard, self._silent()):
                forget_worker(self._runner, client_id)
            for client_id in self._crew.here - set(clients):  # it has quit without a last report
                self._crew.lose(client_id, self._now_s)
            if self.deserted:
                self._keep_changes()
                gevent.spawn(self._end)  # which ends this greenlet, too
                return
            if look % CLOCK_WATCHES == 0:
                for client_id in self._clocks:
                    self._read_clock(client_id)
            self._keep_changes()

    def _silent(self) -> set[str]:
        return {client.id for client in self._runner.clients.all if client.state == STATE_MISSING}

    def _keep_changes(self) -> None:
        """Tell of the workers, but not each second of how many users they hold."""
        workers = self._crew.workers
        if _without_users(workers) != _without_users(self._kept):
            self._keep(workers)
            self._kept = workers

    @property
    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._started_ns) / 1e9


def _is_heard(client: WorkerNode) -> bool:
    """Whether a worker has sent a heartbeat in the last two seconds: Locust misses it after four or five, and a silence
    would be told as so much shorter."""
    return bool(client.state != STATE_MISSING and client.heartbeat >= HEARTBEAT_LIVENESS - 1)


def _without_users(workers: list[Worker]) -> list[Worker]:
    return [msgspec.structs.replace(worker, users=0) for worker in workers]
