"""What containers allow their processes, and how long that held them back: by control groups (cgroups(7)).

Docker's `--cpus`, Kubernetes' `limits.cpu` and systemd's `CPUQuota` are quotas: so much CPU time in each period, of
100 ms as a rule. Who has used it up stands still for the rest, which on a machine that is half idle looks like a slow
program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct

_SECOND: Final = ""
"""What proc(5) calls version 2, which has one hierarchy for all controllers."""
_CONTROLLERS: Final = frozenset({"cpu", "memory"})
_UNLIMITED: Final = 2**62
"""Bytes from which on version 1 means that there is no limit."""
_MOUNT_FIELDS: Final = 5
"""Up to the place where it is mounted."""

_Chain = tuple[Path, ...]
"""The folder of a control group and those of all that it is in, innermost first."""


class Throttling(NamedTuple):
    """Counts of one group since it was made.

    Attributes:
        throttled: periods in which its quota was used up.
        waited_ns: time that its runnable threads waited for the next one, all cores together.
        period_ns: how long a period is.
    """

    throttled: int
    waited_ns: int
    period_ns: int


class Cpu(Struct, frozen=True):
    """What some processes may take together.

    Attributes:
        cores: CPU time a second; None without a limit.
        throttling: by each group that has a quota.
    """

    cores: float | None = None
    throttling: Mapping[Path, Throttling] = {}


class Memory(NamedTuple):
    """Of a group, bytes.

    Attributes:
        taken: charged to it, without the file cache that the kernel takes back first (kubelet's working set).
        limit: beyond it one of its processes is killed.
    """

    taken: int
    limit: int


class Containers:
    """The control groups of some processes: looked up once, read as often as wanted.

    Args:
        pids: one that has ended is in none.
        beside: a process whose CPU limits are left out: what it uses up as well is not for the others to take.
        system: the folder that has `proc` in it.
    """

    def __init__(self, pids: Iterable[int], beside: int | None = None, system: Path = Path("/")) -> None:
        mounts = _mounts(system)
        own = () if beside is None else _groups(system, beside, mounts)
        shared = {folder for _, chain in own for folder in chain}
        found = [dict(_groups(system, pid, mounts)) for pid in pids]
        of = {
            controller: [groups.get(controller, groups.get(_SECOND, ())) for groups in found if groups]
            for controller in _CONTROLLERS
        }
        self._cpu: list[_Chain] = [tuple(folder for folder in chain if folder not in shared) for chain in of["cpu"]]
        self._memory = {folder for chain in of["memory"] for folder in chain}

    def cpu(self) -> Cpu:
        """The limit as it is now, since it can be changed under way."""
        limits = {folder: _quota(folder) for chain in self._cpu for folder in chain}
        quotas = {folder: quota for folder, quota in limits.items() if quota is not None}
        cores = {folder: quota_us / period_us for folder, (quota_us, period_us) in quotas.items()}
        return Cpu(
            cores=_together(self._cpu, cores),
            throttling={folder: _throttling(folder, period_us) for folder, (_, period_us) in quotas.items()},
        )

    def memory(self) -> Memory | None:
        """Of the fullest of the groups that have a limit; None where none has."""
        known = [memory for folder in self._memory if (memory := _memory(folder)) is not None]
        return max(known, key=lambda memory: memory.taken / memory.limit, default=None)


def held_back_ns(before: Cpu, now: Cpu) -> int | None:
    """How long something stood still for want of quota between two readings, at most; None where there is no quota.

    The waits of several cores may overlap, and of a period in which the quota was used up nobody waits for more than
    all of it: the smaller of the two bounds holds.
    """
    both = [(before.throttling[group], at) for group, at in now.throttling.items() if group in before.throttling]
    known = [
        min(at.waited_ns - was.waited_ns, (at.throttled - was.throttled) * at.period_ns)
        for was, at in both
        if at.throttled >= was.throttled and at.waited_ns >= was.waited_ns
    ]
    return max(known, default=None)


class ThrottleClock:
    """How long a process stood still for want of quota, from one call to the next."""

    def __init__(self, pid: int) -> None:
        self._containers = Containers([pid])
        self._before = self._containers.cpu()

    def passed_ns(self) -> int | None:
        """Since the call before; see `held_back_ns`."""
        now = self._containers.cpu()
        passed, self._before = held_back_ns(self._before, now), now
        return passed


# --- the groups of a process ------------------------------------------------------------------------------------------
def _mounts(system: Path) -> dict[str, tuple[str, Path]]:
    """By controller, which group is mounted, and where."""
    found: dict[str, tuple[str, Path]] = {}
    for line in _text(system / "proc" / "self" / "mountinfo").split("\n"):
        mount, _, kind = line.partition(" - ")
        fields, of_kind = mount.split(" "), kind.split(" ")
        if len(fields) < _MOUNT_FIELDS:
            continue
        place = (fields[3], system / fields[4].lstrip("/"))
        if of_kind[0] == "cgroup2":
            found.setdefault(_SECOND, place)
        elif of_kind[0] == "cgroup":
            for controller in _CONTROLLERS & set(of_kind[-1].split(",")):
                found.setdefault(controller, place)
    return found


def _groups(system: Path, pid: int, mounts: Mapping[str, tuple[str, Path]]) -> Iterator[tuple[str, _Chain]]:
    """By controller, the groups that a process is in."""
    for line in _text(system / "proc" / str(pid) / "cgroup").split("\n"):
        _, _, named = line.partition(":")
        controllers, _, group = named.partition(":")
        for controller in controllers.split(","):
            if group and controller in mounts:
                yield controller, tuple(_chain(Path(group), *mounts[controller]))


def _chain(group: Path, root: str, mounted: Path) -> Iterator[Path]:
    # whatever else is outside of what this process can see, and `/..` is how that is told
    if group.is_relative_to(root) and ".." not in group.parts:
        folder = mounted / group.relative_to(root)
        yield folder
        yield from (parent for parent in folder.parents if parent.is_relative_to(mounted))


def _together(chains: Sequence[_Chain], limits: Mapping[Path, float]) -> float | None:
    """What several processes may take together: of no group more than its limit, however many are in it."""
    limited = [[folder for folder in chain if folder in limits] for chain in chains]
    if not all(limited):
        return None
    direct = {own[0] for own in limited}
    within: dict[Path | None, set[Path]] = {}
    for own in limited:
        for inner, outer in zip(own, (*own[1:], None), strict=True):
            within.setdefault(outer, set()).add(inner)

    def most(group: Path) -> float:
        return limits[group] if group in direct else min(limits[group], sum(map(most, within[group])))

    return sum(map(most, within[None])) if limited else None


# --- the files of a group, of version 2 or of version 1 ---------------------------------------------------------------
def _quota(folder: Path) -> tuple[int, int] | None:
    """So much CPU time in each period, µs."""
    quota, period = _first(folder, "cpu.max").partition(" ")[::2]
    if not quota:
        quota, period = _first(folder, "cpu.cfs_quota_us"), _first(folder, "cpu.cfs_period_us")
    quota_us, period_us = _number(quota), _number(period)
    return (quota_us, period_us) if quota_us and period_us else None


def _throttling(folder: Path, period_us: int) -> Throttling:
    counts = _counts(folder / "cpu.stat")
    waited_ns = counts["throttled_usec"] * 1_000 if "throttled_usec" in counts else counts.get("throttled_time", 0)
    return Throttling(counts.get("nr_throttled", 0), waited_ns, period_us * 1_000)


def _memory(folder: Path) -> Memory | None:
    limit = _number(_first(folder, "memory.max") or _first(folder, "memory.limit_in_bytes"))
    taken = _number(_first(folder, "memory.current") or _first(folder, "memory.usage_in_bytes"))
    if not limit or limit >= _UNLIMITED or taken is None:
        return None
    counts = _counts(folder / "memory.stat")
    cache = counts.get("total_inactive_file", counts.get("inactive_file", 0))
    return Memory(max(taken - cache, 0), limit)


def _counts(path: Path) -> dict[str, int]:
    pairs = (line.partition(" ")[::2] for line in _text(path).split("\n"))
    return {name: number for name, value in pairs if (number := _number(value)) is not None}


def _first(folder: Path, name: str) -> str:
    return _text(folder / name).partition("\n")[0]


def _number(text: str) -> int | None:
    """None for `max`, for -1, and for what is none."""
    return int(text) if text.isascii() and text.isdigit() else None


def _text(path: Path) -> str:
    """What is in a file; nothing where there is none, as on other systems, or once its process has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
