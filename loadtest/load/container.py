"""What containers allow their processes, and how often that held them back: by control groups (cgroups(7)).

Docker's `--cpus` and Kubernetes' `limits.cpu` are quotas: so much CPU time in each period of 100 ms. Who has used it up
stands still until the next one, which on a machine that is half idle looks like a slow program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

_SECOND: Final = ""
"""What proc(5) calls version 2, which has one hierarchy for all controllers."""
_CONTROLLERS: Final = frozenset({"cpu", "memory"})
_UNLIMITED: Final = 2**62
"""Bytes from which on version 1 means that there is no limit."""


class Allowance(Struct, frozen=True):
    """What some processes may take together.

    Attributes:
        cores: CPU time a second; None without a limit, as are the others.
        periods: of that limit, in which there was something to run, since it was set up.
        throttled: those of them in which it was used up.
        memory_bytes: beyond it one of them is killed.
    """

    cores: float | None = None
    periods: int | None = None
    throttled: int | None = None
    memory_bytes: int | None = None


class Containers:
    """The control groups of some processes: looked up once, read as often as wanted.

    Args:
        pids: one that has ended is in none.
        system: the folder that has `proc` in it.
    """

    def __init__(self, pids: Iterable[int], system: Path = Path("/")) -> None:
        mounts = _mounts(system)
        groups = [_groups(system / "proc" / str(pid) / "cgroup", mounts) for pid in pids]
        self._cpu = [group.get("cpu", group.get(_SECOND, ())) for group in groups]
        self._memory = [group.get("memory", group.get(_SECOND, ())) for group in groups]

    def read(self) -> Allowance:
        """What they may take now, since a limit can be changed under way."""
        cpu, memory = _binding(self._cpu, _cores), _binding(self._memory, _memory_bytes)
        counted = [_counted(folder) for folder in cpu]
        known = bool(counted) and all("nr_periods" in each for each in counted)
        return Allowance(
            cores=sum(cpu.values()) if cpu else None,
            periods=sum(each["nr_periods"] for each in counted) if known else None,
            throttled=sum(each.get("nr_throttled", 0) for each in counted) if known else None,
            memory_bytes=round(sum(memory.values())) if memory else None,
        )


def since(now: int | None, before: int | None) -> int | None:
    """How many there have been between two readings; None where that is not known, as after a move to another group."""
    return now - before if now is not None and before is not None and now >= before else None


def _mounts(system: Path) -> dict[str, tuple[str, Path]]:
    """By controller, which group is mounted, and where."""
    found: dict[str, tuple[str, Path]] = {}
    for line in _text(system / "proc" / "self" / "mountinfo").splitlines():
        mount, _, kind = line.partition(" - ")
        root, point = mount.split()[3:5]
        system_type, _, options = kind.split()[:3]
        place = (root, system / point.lstrip("/"))
        if system_type == "cgroup2":
            found.setdefault(_SECOND, place)
        elif system_type == "cgroup":
            found |= dict.fromkeys(_CONTROLLERS & set(options.split(",")), place)
    return found


def _groups(path: Path, mounts: Mapping[str, tuple[str, Path]]) -> dict[str, Sequence[Path]]:
    """By controller, the folders of a process's group and of all that it is in."""
    found: dict[str, Sequence[Path]] = {}
    for line in _text(path).splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                found[controller] = tuple(_chain(group, *mounts[controller]))
    return found


def _chain(group: str, root: str, mounted: Path) -> Iterator[Path]:
    below = Path(group)
    if (
        below.is_relative_to(root) and ".." not in below.parts
    ):  # otherwise it lies outside of what can be seen from here
        folder = mounted / below.relative_to(root)
        yield folder
        yield from (parent for parent in folder.parents if parent.is_relative_to(mounted))


def _binding(chains: Sequence[Sequence[Path]], limit: Callable[[Path], float | None]) -> dict[Path, float]:
    """The tightest limit of each chain, once where several share it; none where something is not limited at all."""
    found: dict[Path, float] = {}
    for chain in chains:
        limits = [(value, folder) for folder in chain if (value := limit(folder)) is not None]
        if not limits:
            return {}
        value, folder = min(limits)
        found[folder] = value
    return found


def _cores(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = (_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None  # else `max`, or -1


def _memory_bytes(folder: Path) -> float | None:
    text = (_text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")).strip()
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None  # else `max`


def _counted(folder: Path) -> dict[str, int]:
    pairs = (line.split() for line in _text(folder / "cpu.stat").splitlines())
    return {name: int(value) for name, value in pairs if value.isdigit()}


def _text(path: Path) -> str:
    """What is in a file; nothing where there is none, as on other systems, or once its process has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
