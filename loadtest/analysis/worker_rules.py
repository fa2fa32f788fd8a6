"""Rules on the workers of a run on several processes: what became of them, and what went with them."""

from __future__ import annotations

from typing import Final

from loadtest.analysis.finding import Evidence, Finding, Rule, Status
from loadtest.model import Worker, WorkerEnd

_WHOLE: Final = "repeat the run with the same workers from start to end"


def lost_workers(evidence: Evidence) -> Finding | None:
    """A lost worker takes with it what it had not reported, and its users are gone from the load."""
    lost = [worker for worker in evidence.records.info.workers if worker.ended is WorkerEnd.LOST]
    if not lost:
        return None
    open_then = evidence.counts["lost_with_workers"]
    took = f"{open_then:,} messages that were open at its last report have no end" if open_then else ""
    reason = "; ".join(
        [
            *(
                f"{_who(worker)} was lost {worker.ended_s or 0.0:.0f} s after the start, with {worker.users:,} users "
                "and all that it had not reported"
                for worker in lost
            ),
            *([took] if took else []),
        ]
    )
    return Finding(Status.INVALID, reason, "look at its log and the memory of its machine, and repeat the run")


def moved_users(evidence: Evidence) -> Finding | None:
    """A worker that joins late or leaves has users moved, who connect anew in the middle of the run."""
    workers = evidence.records.info.workers
    told = [f"{_who(worker)} joined {worker.joined_s:.0f} s after the start" for worker in workers if worker.joined_s]
    told += [
        f"{_who(worker)} left {worker.ended_s or 0.0:.0f} s after it"
        for worker in workers
        if worker.ended is WorkerEnd.LEFT
    ]
    if not told:
        return None
    return Finding(Status.SUSPECT, f"{', '.join(told)}: users moved, and connected anew", _WHOLE)


def silent_workers(evidence: Evidence) -> Finding | None:
    """What a worker recorded while it was out of touch came later; whether all of it did is the rules' on records."""
    told = [
        f"{_who(worker)} was out of touch for {max(worker.silences_s):.0f} s"
        + (f" at most, {len(worker.silences_s)} times," if len(worker.silences_s) > 1 else "")
        + (" and reported all of it afterwards" if _all_came(worker, evidence) else "")
        for worker in evidence.records.info.workers
        if worker.silences_s
    ]
    if not told:
        return None
    return Finding(Status.SUSPECT, "; ".join(told), "look at the network between it and the master")


def users_without_token(evidence: Evidence) -> Finding | None:
    """Users who moved from a worker that is out of touch cannot take its tokens: it may still use them."""
    number = evidence.records.count("users_without_token")
    if not number:
        return None
    return Finding(
        Status.SUSPECT,
        f"{number:,} users were left out, since there was no token for them",
        "give more tokens or accounts than users, as a reserve for workers that are lost",
    )


def _all_came(worker: Worker, evidence: Evidence) -> bool:
    return worker.ended is not WorkerEnd.LOST and worker.name not in evidence.records.lost_batches


def _who(worker: Worker) -> str:
    return f"{worker.name} ({worker.machine})"


WORKER_RULES: Final[tuple[Rule, ...]] = (lost_workers, moved_users, silent_workers, users_without_token)
