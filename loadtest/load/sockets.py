"""Whether this machine has the sockets that a load takes: open files of a process, and ports to connect from."""

from __future__ import annotations

import math
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from loadtest.errors import UsageError

FILES_BESIDE: Final = 200
"""Files that a process holds beside its connections: modules, logs, `run.db`, Locust's own sockets."""
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The ports that Linux gives to connections, of IPv6 too (ip(7))."""
EPHEMERAL: Final = (49_152, 65_535)
"""The same where the system does not say (RFC 6335, section 6)."""


def check_files(users: int, processes: int, limit: int) -> None:
    """Refuse more connections in a process than it may open files.

    Args:
        users: of all processes together.
        processes: that hold users.
        limit: files that a process may open.

    Raises:
        UsageError: says what to raise.
    """
    needed = math.ceil(users / processes) + FILES_BESIDE
    if needed <= limit:
        return
    enough = math.ceil(users / max(limit - FILES_BESIDE, 1))
    raise UsageError(
        f"--users: {users:,} in {_processes(processes)} take {needed:,} open files in each, and its hard limit is "
        f"{limit:,}; raise it (ulimit -Hn {needed}, LimitNOFILE of systemd, --ulimit nofile={needed} of docker), or "
        f"give --processes {enough}"
    )


def check_ports(users: int, sources: tuple[str, ...], ports: range) -> None:
    """Refuse more connections to one backend than there are ports to make them from.

    Args:
        users: on this machine.
        sources: addresses of this machine to connect from; none for the one that the system chooses.
        ports: that the system gives to connections.

    Raises:
        UsageError: says how many addresses would do.
    """
    held = len(ports) * max(len(sources), 1)
    if users <= held:
        return
    enough = math.ceil(users / len(ports))
    raise UsageError(
        f"--users: {users:,} connections from {max(len(sources), 1)} address{'es' if len(sources) > 1 else ''} of "
        f"{len(ports):,} ports each are {users - held:,} too many; give {enough} addresses of this machine by "
        "--source-addresses, widen net.ipv4.ip_local_port_range, or add machines as workers"
    )


def check_sources(sources: tuple[str, ...]) -> None:
    """Refuse addresses that nothing can be sent from.

    Raises:
        UsageError: names the first of them.
    """
    for source in sources:
        family = socket.AF_INET6 if ip_address(source).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((source, 0))
            except OSError as error:
                raise UsageError(
                    f"--source-addresses: {source} cannot be connected from ({error.strerror}); give addresses that "
                    "this machine has, as ip address shows them"
                ) from None


def local_ports(found: Path = PORT_RANGE) -> range:
    """The ports that the system gives to connections."""
    low, high = EPHEMERAL
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            low, high = map(int, found.read_text(encoding="ascii").split())
    return range(low, high + 1)


def _processes(number: int) -> str:
    return "one process" if number == 1 else f"{number} processes"
