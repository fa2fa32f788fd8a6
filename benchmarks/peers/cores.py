"""The cores that server and clients run on."""

from __future__ import annotations

import os
import platform

from msgspec import Struct

from loadtest.errors import UsageError


class Cores(Struct, frozen=True):
    """One core for the server and this program, another for the client; the same where there is but one."""

    server: int
    client: int

    @property
    def apart(self) -> bool:
        return self.server != self.client


def cores() -> Cores:
    """The first and the last core that this process may use; it goes to the server's.

    Raises:
        UsageError: this system cannot pin processes.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError(f"{platform.system()}: cannot pin processes to cores; run this on Linux")
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[0]})
    return Cores(allowed[0], allowed[-1])
