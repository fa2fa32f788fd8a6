"""The workers of one run as the master sees them: who joins late, falls silent, comes back, leaves or is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from loadtest.load.clock import WorkerClock
from loadtest.load.numbers import Pool, Share
from loadtest.model import Worker, WorkerEnd

GONE_S: Final = 62.0
"""A worker that has not been heard of for so long is gone for good, and its users may be another's: after a minute
without its master it ends itself (locust/runners.py, MASTER_HEARTBEAT_TIMEOUT), which it looks at each second."""


class Crew:
    """The workers of one run, by Locust's client id.

    Args:
        numbers: the numbers of the run's users.
        say: told what a person should know at once.
    """

    def __init__(self, numbers: Pool, say: Callable[[str], None]) -> None:
        self._numbers = numbers
        self._say = say
        self._workers: dict[str, Worker] = {}
        self._silent: dict[str, float] = {}
        self._heard: dict[str, float] = {}

    def __contains__(self, client_id: str) -> bool:
        return client_id in self._workers

    @property
    def workers(self) -> list[Worker]:
        """All of them, in the order in which they came."""
        return list(self._workers.values())

    @property
    def here(self) -> set[str]:
        """Client ids of those that have neither left nor been lost."""
        return {client_id for client_id in self._workers if self._is_here(client_id)}

    def name(self, client_id: str) -> str:
        """What the records call a worker."""
        return self._workers[client_id].name

    def names(self, client_ids: Iterable[str]) -> list[str]:
        """What the records call workers."""
        return sorted(self._workers[client_id].name for client_id in client_ids if client_id in self._workers)

    # --- who comes ----------------------------------------------------------------------------------------------------
    def enlist(self, client_ids: list[str]) -> dict[str, Share]:
        """Those that are there at the start, in the order in which users are dealt out; returns the share of each."""
        for client_id in client_ids:
            self._add(client_id, 0.0)
        return {
            client_id: self._numbers.share(client_id, place, len(client_ids))
            for place, client_id in enumerate(client_ids)
        }

    def join(self, client_id: str, at_s: float) -> Share:
        """One that comes late: it has no share, and asks for each number."""
        worker = self._add(client_id, at_s)
        self._say(f"{_who(worker)} joined {at_s:.0f} s after the start; users move to it, and connect anew")
        return Share(0, 1, 0)

    def grant(self, client_id: str) -> int | None:
        """A number for a further user of a worker; None where there is none left."""
        return self._numbers.grant(client_id)

    def set_clock(self, client_id: str, clock: WorkerClock) -> None:
        """The clock of one has been read."""
        if client_id in self._workers:
            self._change(client_id, clock_offset_s=clock.offset_ns / 1e9, clock_bound_s=clock.bound_ns / 1e9)

    # --- what becomes of them -----------------------------------------------------------------------------------------
    def watch(self, at_s: float, heard: dict[str, int], silent: set[str]) -> set[str]:
        """Look after those that are in touch, and those that are not.

        Args:
            at_s: now.
            heard: users by client id of the workers in touch.
            silent: client ids that have missed their heartbeats.

        Returns:
            Those that are now gone for good.
        """
        for client_id, users in heard.items():
            if self._is_here(client_id):
                self._come_back(client_id, at_s)
                self._heard[client_id] = at_s
                self._change(client_id, users=users)
        for client_id in silent:
            if self._is_here(client_id) and client_id not in self._silent:
                self._silent[client_id] = self._heard.get(client_id, at_s)
                worker = self._workers[client_id]
                self._say(f"{_who(worker)} is silent; it held {worker.users:,} users. The run goes on")
        gone = {client_id for client_id, since_s in self._silent.items() if at_s - since_s >= GONE_S}
        for client_id in gone:
            self.lose(client_id, at_s)
        return gone

    def leave(self, client_id: str, at_s: float) -> None:
        """One has sent its last report before the end of the run, and goes."""
        if not self._is_here(client_id):
            return
        self._come_back(client_id, at_s)
        worker = self._change(client_id, ended=WorkerEnd.LEFT, ended_s=round(at_s, 3))
        self._numbers.release(client_id)
        self._say(f"{_who(worker)} left {at_s:.0f} s after the start, and has sent all that it had")

    def lose(self, client_id: str, at_s: float) -> None:
        """The last report of one will never come."""
        if not self._is_here(client_id):
            return
        since_s = self._silent.pop(client_id, self._heard.get(client_id, at_s))
        worker = self._change(client_id, ended=WorkerEnd.LOST, ended_s=round(since_s, 3))
        self._numbers.release(client_id)
        self._say(f"{_who(worker)} is lost, {since_s:.0f} s after the start, with {worker.users:,} users")

    # --- helpers ------------------------------------------------------------------------------------------------------
    def _add(self, client_id: str, at_s: float) -> Worker:
        machine = client_id.rpartition("_")[0] or client_id
        worker = self._workers[client_id] = Worker(f"worker-{len(self._workers)}", machine, round(at_s, 3))
        self._heard[client_id] = at_s
        return worker

    def _is_here(self, client_id: str) -> bool:
        worker = self._workers.get(client_id)
        return worker is not None and worker.ended is WorkerEnd.SOUND

    def _come_back(self, client_id: str, at_s: float) -> None:
        since_s = self._silent.pop(client_id, None)
        if since_s is None:
            return
        worker = self._workers[client_id]
        worker = self._change(client_id, silences_s=[*worker.silences_s, round(at_s - since_s, 3)])
        self._say(f"{_who(worker)} is back after {math.ceil(at_s - since_s)} s")

    def _change(self, client_id: str, **changes: object) -> Worker:
        worker = self._workers[client_id] = msgspec.structs.replace(self._workers[client_id], **changes)
        return worker


def _who(worker: Worker) -> str:
    return f"{worker.name} ({worker.machine})"
