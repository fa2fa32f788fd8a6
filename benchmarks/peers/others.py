"""What else the machine did meanwhile: a measurement beside other work is worth less, and has to say so."""

from __future__ import annotations

import os
import time
from typing import Final

import psutil

LOUD: Final = 0.1
"""Share of a core that others may use before a run counts as disturbed."""


class Others:
    """Counts from its making on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_s()
        self._own = _own_s()

    def share(self, known_s: float) -> float:
        """CPU of others since, share of a core.

        Args:
            known_s: CPU that the client and the server used; that of this process is known.
        """
        used = _busy_s() - self._busy - known_s - (_own_s() - self._own)
        return max(used / (time.monotonic() - self._began), 0.0)


def _busy_s() -> float:
    """Of all cores, time stolen by other machines included; interrupts are nobody's."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "steal", 0.0))


def _own_s() -> float:
    times = os.times()
    return times.user + times.system
