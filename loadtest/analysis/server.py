"""What the server had left: its CPU, memory and open files over the steady window, and which of them was full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.records import Records
from loadtest.analysis.window import Window
from loadtest.model import ServerSample

FULL_CPU: Final = 0.9
"""Of a core, in the mean of the window: a queue in front of one that is so busy is nine requests long on average
(M/M/1: utilisation / (1 - utilisation))."""
ONE_CORE: Final = 1.05
"""Of a core, more than any thread can take: the clocks of readings differ by a few per cent."""
THROTTLED: Final = 0.05
"""Of the time that a CPU limit kept it standing still: from there on a p95 hangs on that limit."""
FULL: Final = 0.95
"""Of open files or memory, at the worst: what is left goes in one burst of connections."""
_GB: Final = 1e9


class Server(Struct, frozen=True):
    """The server over the steady window; null where it could not be seen.

    Attributes:
        source: `pid N`, or the address of a Prometheus endpoint.
        samples: how many there are, one a second.
        cpu_cores: mean number of cores that it kept busy.
        busiest_core: share of a core that its busiest thread took, mean: an event loop has no more than one. Null where
            it comes out above one: then it was the sum of several.
        cpu_limit: number of cores that its container allows, or that it is pinned to; null where the machine is
            the limit.
        throttled_share: of the time, at most, that it stood still since its container's CPU limit was used up; null
            without one.
        memory_bytes: resident, the largest.
        open_files: open files and sockets of its fullest process, the most.
        full: the resources that were full, in words.
    """

    source: str
    samples: int
    cpu_cores: float | None
    busiest_core: float | None
    memory_bytes: int | None
    open_files: int | None
    full: list[str]
    cpu_limit: float | None = None
    throttled_share: float | None = None


def server(records: Records, window: Window) -> Server | None:
    """Fold the samples of the server; None where none lies in the window."""
    samples = [each for each in records.server if window.holds(each.at_ns - each.interval_ns, each.at_ns)]
    if not samples:
        return None
    cpu, busiest = _share(samples, "cpu_ns"), _share(samples, "busiest_ns")
    if busiest is not None and busiest > ONE_CORE:
        busiest = None
    limit, throttled = _share(samples, "cpu_limit_ns"), _share(samples, "throttled_ns")
    return Server(
        source=samples[-1].source,
        samples=len(samples),
        cpu_cores=cpu,
        busiest_core=busiest,
        memory_bytes=_largest(samples, "memory_bytes"),
        open_files=_largest(samples, "open_files"),
        full=[
            *(_full_cpu(cpu, busiest, _processors(records, samples), limit) or _held_back(throttled)),
            *_full_rest(samples),
        ],
        cpu_limit=limit,
        throttled_share=throttled,
    )


def _processors(records: Records, samples: Sequence[ServerSample]) -> int | None:
    """Cores of the machine, where the server is on this one."""
    cores = records.info.generator.get("processors") if samples[-1].memory_limit is not None else None
    return cores if isinstance(cores, int) else None


def _full_cpu(cpu: float | None, busiest: float | None, machine: int | None, limit: float | None) -> list[str]:
    if cpu is not None and limit is not None and cpu >= FULL_CPU * limit:
        which = "1 core" if limit == 1 else f"the {limit:.3g} cores that it may use"
        return [f"{which} at {100 * cpu / limit:.0f} %"]
    if cpu is not None and machine is not None and machine > 1 and cpu >= FULL_CPU * machine:
        return [f"all {machine} cores at {100 * cpu / machine:.0f} %"]
    return [f"1 core at {100 * busiest:.0f} %"] if busiest is not None and busiest >= FULL_CPU else []


def _held_back(share: float | None) -> list[str]:
    if share is None or share < THROTTLED:
        return []
    return [f"its container's CPU limit, which held it back for {100 * share:.0f} % of the time"]


def _full_rest(samples: Sequence[ServerSample]) -> list[str]:
    files, most = _fullest((each.open_files, each.files_limit) for each in samples)
    memory, room = _fullest((each.memory_bytes, each.memory_limit) for each in samples)
    charged, allowed = _fullest((each.charged_bytes, each.charged_limit) for each in samples)
    found = []
    if files >= FULL * most:
        found.append(f"open files, {files:,} of {most:,}")
    if memory >= FULL * room:
        found.append(f"memory, {memory / _GB:.1f} of {room / _GB:.1f} GB")
    if charged >= FULL * allowed:
        found.append(f"its container's memory, {charged / _GB:.2f} of {allowed / _GB:.2f} GB")
    return found


def _fullest(pairs: Iterable[tuple[int | None, int | None]]) -> tuple[int, int]:
    """What was taken, and of how much, where that was the largest part."""
    known = [(taken, most) for taken, most in pairs if taken and most]
    return max(known, key=lambda one: one[0] / one[1], default=(0, 1))


def _share(samples: Sequence[ServerSample], name: str) -> float | None:
    """Time spent by time passed, over all samples that know it."""
    known = [(value, each.interval_ns) for each in samples if (value := getattr(each, name)) is not None]
    if not known:
        return None
    spent, passed = np.array(known, np.float64).sum(axis=0)
    return round(float(spent / passed), 4)


def _largest(samples: Sequence[ServerSample], name: str) -> int | None:
    return max((value for each in samples if (value := getattr(each, name)) is not None), default=None)
