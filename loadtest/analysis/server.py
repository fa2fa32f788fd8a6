"""What the server had left: its CPU, memory and open files over the steady window, and which of them was full."""

from __future__ import annotations

from collections.abc import Sequence
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


def server(records: Records, window: Window) -> Server | None:
    """Fold the samples of the server; None where none lies in the window."""
    samples = [each for each in records.server if window.holds(each.at_ns - each.interval_ns, each.at_ns)]
    if not samples:
        return None
    cpu, busiest = _share(samples, "cpu_ns"), _share(samples, "busiest_ns")
    if busiest is not None and busiest > ONE_CORE:
        busiest = None
    local = samples[-1].memory_limit is not None
    cores = records.info.generator.get("processors") if local else None
    return Server(
        source=samples[-1].source,
        samples=len(samples),
        cpu_cores=cpu,
        busiest_core=busiest,
        memory_bytes=_largest(samples, "memory_bytes"),
        open_files=_largest(samples, "open_files"),
        full=[*_full_cpu(cpu, busiest, cores if isinstance(cores, int) else None), *_full_rest(samples)],
    )


def _full_cpu(cpu: float | None, busiest: float | None, cores: int | None) -> list[str]:
    if cpu is not None and cores is not None and cores > 1 and cpu >= FULL_CPU * cores:
        return [f"all {cores} cores at {100 * cpu / cores:.0f} %"]
    return [f"1 core at {100 * busiest:.0f} %"] if busiest is not None and busiest >= FULL_CPU else []


def _full_rest(samples: Sequence[ServerSample]) -> list[str]:
    memory, room = _largest(samples, "memory_bytes"), samples[-1].memory_limit
    files = [(each.open_files, each.files_limit) for each in samples if each.open_files and each.files_limit]
    taken, most = max(files, key=lambda one: one[0] / one[1], default=(0, 1))
    found = []
    if taken >= FULL * most:
        found.append(f"open files, {taken:,} of {most:,}")
    if memory is not None and room and memory >= FULL * room:
        found.append(f"memory, {memory / _GB:.1f} of {room / _GB:.1f} GB")
    return found


def _share(samples: Sequence[ServerSample], name: str) -> float | None:
    """Time spent by time passed, over all samples that know it."""
    known = [(value, each.interval_ns) for each in samples if (value := getattr(each, name)) is not None]
    if not known:
        return None
    spent, passed = np.array(known, np.float64).sum(axis=0)
    return round(float(spent / passed), 4)


def _largest(samples: Sequence[ServerSample], name: str) -> int | None:
    return max((value for each in samples if (value := getattr(each, name)) is not None), default=None)
