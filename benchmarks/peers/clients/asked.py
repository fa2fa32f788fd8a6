"""What the benchmark asks of a client, from the environment, and the end of a Locust run that has done it.

Shared by the two locustfiles of this folder. No import of ours: it has to work in any interpreter that has Locust.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
from typing import Any, Final

import gevent

PORT: Final = int(os.environ["PEERS_PORT"])
USERS: Final = int(os.environ["PEERS_USERS"])
MESSAGES: Final = int(os.environ["PEERS_MESSAGES"])
INTERVAL_S: Final = int(os.environ["PEERS_INTERVAL_US"]) / 1e6
"""Between the messages of a user; 0 sends the next one when the answer is complete."""
HOLD: Final = os.environ["PEERS_HOLD"] == "1"
"""Keep the connections when the messages are done, until a signal."""
TEXT: Final = os.environ["PEERS_TEXT"]
GOLDEN: Final = 0.6180339887498949
"""Multiples of the golden ratio, modulo 1, spread evenly for any number of users: no two users send at once."""


def due_s(number: int) -> list[float]:
    """When user `number` sends, seconds from its start."""
    phase = number * GOLDEN % 1.0 * INTERVAL_S
    return [phase + place * INTERVAL_S for place in range(MESSAGES)]


class Ending:
    """Ends the Locust run once all users have done their work, and leaves a report for the benchmark."""

    def __init__(self) -> None:
        self._finished = 0
        self.facts: dict[str, Any] = {}
        atexit.register(self._write)

    def finished(self, runner: Any) -> None:
        """One more user has all its answers."""
        self._finished += 1
        if self._finished == USERS and not HOLD:
            gevent.spawn(runner.quit)

    def _write(self) -> None:
        """The last thing a process does: by now its children (the plots of a run) have ended."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = self.facts | {"children_cpu_s": children.ru_utime + children.ru_stime}
        with open(os.environ["PEERS_REPORT"], "w", encoding="utf-8") as file:
            json.dump(report, file)
