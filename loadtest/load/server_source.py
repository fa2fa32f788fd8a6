"""Where the server's own resources are read: of its processes on this machine, or from a Prometheus endpoint."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import psutil
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from loadtest.errors import UsageError
from loadtest.load.container import Containers, Cpu, Memory
from loadtest.settings import redacted

FAMILY_S: Final = 30.0
"""How often children are looked for: that reads all processes of the machine, 3 ms in which nobody is served, where a
reading takes 0.3 ms."""
TIMEOUT_S: Final = 2.0
LARGEST: Final = 4 * 2**20
"""Bytes of an answer that are read: the page of a busy server has some hundred KB."""
_WANTED: Final = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
)
"""Of the standard process metrics, which every client library has (Prometheus, "Writing client libraries")."""
_ON_ONE_CORE: Final = ("nodejs_version_info", "python_info")
"""Runtimes that execute their program on one core at a time: all of a process's CPU time is that of one core."""
_STARTED: Final = "process_start_time_seconds"
"""Is of one process: the page of a cluster, which adds up those of its workers, leaves it out (prom-client,
`AggregatorRegistry`), and then nothing is known of a core."""
_Labels = tuple[tuple[str, str], ...]


class Reading(Struct, frozen=True):
    """What a source says at one instant; None where it does not tell.

    Attributes:
        processes_s: CPU time since the start, by process under any name.
        threads_s: the same by process and thread; None where only that of whole processes is known.
        memory_bytes: resident, of all processes.
        open_files: of the process that is nearest to its limit: each has one of its own.
        files_limit: of the same process.
        cores: that it may run on; None where these are all of the machine, or not known.
        cpu: what its container allows.
        charged: to its container.
    """

    processes_s: Mapping[Any, float] | None
    threads_s: Mapping[tuple[Any, Any], float] | None
    memory_bytes: int | None
    memory_limit: int | None
    open_files: int | None
    files_limit: int | None
    cores: int | None = None
    cpu: Cpu = Cpu()
    charged: Memory | None = None


class Source(Protocol):
    """Where readings come from."""

    name: str

    def read(self) -> Reading:
        """A reading.

        Raises:
            UsageError: there is none; names the option and says what to do.
        """
        ...


class Processes:
    """Processes of this machine, with all that they have started.

    Args:
        pids: of the server; several where it has several that share no parent.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self.name = f"pid {', '.join(map(str, self._pids))}"
        self._found: list[psutil.Process] = []
        self._found_s = float("-inf")
        self._containers = Containers(())

    def read(self) -> Reading:
        if time.monotonic() - self._found_s >= FAMILY_S:
            # each once: `pgrep` prints a master and the workers that it has started
            families = (process for pid in self._pids for process in self._family(pid))
            self._found = list({process.pid: process for process in families}.values())
            self._containers = Containers((process.pid for process in self._found), beside=os.getpid())
            self._found_s = time.monotonic()
        processes: dict[int, float] = {}
        threads: dict[tuple[int, int], float] = {}
        files: list[tuple[int | None, int | None]] = []
        cores: set[int] = set()
        memory = 0
        for process in self._found:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    processes[process.pid] = times.user + times.system
                    memory += process.memory_info().rss
                    for thread in process.threads():
                        threads[process.pid, thread.id] = thread.user_time + thread.system_time
                    files.append(_files(process))
                    cores |= _may_run_on(process)
            except psutil.NoSuchProcess:  # a child that ended just now
                continue
            except psutil.AccessDenied:
                raise UsageError(
                    f"--server-pid: process {process.pid} is another user's; run as that user, or give --server-metrics"
                ) from None
        if not files:
            raise UsageError(f"--server-pid: {self.name} has ended; give the one that serves now")
        return Reading(
            processes,
            threads,
            memory,
            psutil.virtual_memory().total,
            *max(files, key=_fullness),
            cores=len(cores) if 0 < len(cores) < (os.cpu_count() or 0) else None,
            cpu=self._containers.cpu(),
            charged=self._containers.memory(),
        )

    def _family(self, pid: int) -> list[psutil.Process]:
        try:
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            if self._found:  # of several that were there, the others go on
                return []
            raise UsageError(
                f"--server-pid: there is no process {pid} on this machine; give the server's, as pgrep finds it"
            ) from None


class Endpoint:
    """A Prometheus endpoint of the server.

    Args:
        url: http:// or https://; its query is in no message.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = redacted(url)

    def read(self) -> Reading:
        found = self._values(self._text())
        if not found.keys() & set(_WANTED):
            raise UsageError(
                f"--server-metrics: {self.name} has none of {', '.join(_WANTED[:3])}; give the endpoint of the "
                "server's own process, with its default metrics collected"
            )
        cpu = found.get("process_cpu_seconds_total")
        one_core = _STARTED in found and any(name in found for name in _ON_ONE_CORE)
        threads = {(key, ""): spent for key, spent in (cpu or {}).items()}
        return Reading(
            cpu,
            threads if one_core and threads else None,
            _whole(found.get("process_resident_memory_bytes")),
            None,
            _whole(found.get("process_open_fds")),
            _whole(found.get("process_max_fds")),
        )

    def _text(self) -> str:
        try:
            with urllib.request.urlopen(self._url, timeout=TIMEOUT_S) as answer:  # http_url has checked the scheme
                return str(answer.read(LARGEST).decode("utf-8", errors="replace"))
        except urllib.error.HTTPError as error:
            error.close()
            raise UsageError(
                f"--server-metrics: {self.name} answered with HTTP {error.code}; correct the address"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UsageError(
                f"--server-metrics: {self.name} cannot be read: {reason}; start it, or correct the address"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever a hostile endpoint provokes in http.client
            raise UsageError(
                f"--server-metrics: {self.name} does not speak HTTP: {type(error).__name__}; correct the address"
            ) from None

    def _values(self, text: str) -> dict[str, dict[_Labels, float]]:
        """The metrics that are looked at, by their labels; the rest of a large page is not parsed."""
        kept = "\n".join(line for line in text.splitlines() if line.startswith((*_WANTED, *_ON_ONE_CORE, _STARTED)))
        found: dict[str, dict[_Labels, float]] = {}
        try:
            for family in text_string_to_metric_families(f"{kept}\n"):
                for sample in family.samples:
                    found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        except ValueError:
            raise UsageError(
                f"--server-metrics: {self.name} is no page for Prometheus; give the address that Prometheus scrapes"
            ) from None
        return found


def source_of(pids: Iterable[int], url: str | None) -> Source | None:
    """The source that the options name; None where they name none."""
    pids = tuple(pids)
    return Processes(pids) if pids else Endpoint(url) if url is not None else None


def _whole(values: Mapping[_Labels, float] | None) -> int | None:
    """The sum, over all processes of a page."""
    value = None if values is None else sum(values.values())
    return round(value) if value is not None and 0 <= value < 2**62 else None


def _fullness(files: tuple[int | None, int | None]) -> tuple[float, int]:
    taken, limit = files
    return (taken / limit if limit else 0.0, taken) if taken is not None else (-1.0, 0)


def _files(process: psutil.Process) -> tuple[int | None, int | None]:
    """Open files and their limit; unknown where it is another user's, as root's in a container."""
    try:
        return process.num_fds(), _files_limit(process)
    except psutil.AccessDenied:
        return None, None


def _may_run_on(process: psutil.Process) -> set[int]:
    """All cores, unless it is pinned: taskset(1), Docker's `--cpuset-cpus`."""
    return set(process.cpu_affinity() or ()) if hasattr(process, "cpu_affinity") else set()


def _files_limit(process: psutil.Process) -> int | None:
    if not hasattr(process, "rlimit"):
        return None
    soft, _ = process.rlimit(psutil.RLIMIT_NOFILE)
    return soft if 0 < soft < 2**62 else None
