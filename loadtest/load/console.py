"""What a headless run says while it goes on: progress and time left, on stderr."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Final

import gevent

from loadtest.model import Batch, Outcome, Population

EVERY_S: Final = 5.0
LIVE_EVERY_S: Final = 0.5
_BAD: Final = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST)


class Progress:
    """One line, rewritten in place on a terminal, repeated every few seconds elsewhere.

    Args:
        run_time_s: as asked for; None for a run until stopped.
    """

    def __init__(self, run_time_s: float | None) -> None:
        self._run_time_s = run_time_s
        self._began = time.monotonic()
        self._outcomes: Counter[Outcome] = Counter()
        self._failed = 0
        self._users: dict[str, int] = {}
        self._live = sys.stderr.isatty()
        self._greenlet = gevent.spawn(self._show_on)

    def see(self, batch: Batch) -> None:
        """Count a batch in."""
        self._outcomes.update(message.outcome for message in batch.messages)
        self._failed += sum(m.outcome in _BAD and m.population is not Population.OUTAGE for m in batch.messages)
        for health in batch.health:
            self._users[health.process] = health.users

    def say(self, line: str) -> None:
        """A line that stays."""
        sys.stderr.write(f"\r\x1b[K{line}\n" if self._live else f"{line}\n")
        sys.stderr.flush()

    def stop(self) -> None:
        self._greenlet.kill()
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _show_on(self) -> None:
        while True:
            gevent.sleep(LIVE_EVERY_S if self._live else EVERY_S)
            sys.stderr.write(f"\r\x1b[K{self._line()}" if self._live else f"{self._line()}\n")
            sys.stderr.flush()

    def _line(self) -> str:
        elapsed = time.monotonic() - self._began
        parts = [
            f"{elapsed:4.0f} s",
            f"{sum(self._users.values()):,} users",
            f"{self._outcomes.total():,} messages answered",
            f"{self._outcomes[Outcome.REJECTED]:,} rejected",
            f"{self._failed:,} failed",
        ]
        if self._run_time_s is not None:
            left = self._run_time_s - elapsed
            parts.append(f"{left:.0f} s left" if left > 0 else "waiting for open replies")
        return "  ".join(parts)
