"""How many files, and so connections, this process may open."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

FILES_AT_MOST: Final = 1_048_576
"""Where Linux ends by default what a process may open, whatever its limit (proc(5), `fs.nr_open`)."""


def raise_file_limit() -> int:
    """Let this process open as many files as its hard limit allows; returns how many that are."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return FILES_AT_MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_AT_MOST if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    with suppress(ValueError, OSError):  # macOS has a further limit: what there is has to do
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft
