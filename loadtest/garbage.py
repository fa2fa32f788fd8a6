"""How often this process looks for cycles of garbage."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (200_000, 50, 20)
"""See `gc.set_threshold`. By default CPython walks what is young every 700 new objects, and all that there is every so
often: with 3,000 connections that holds up their event loop for 100 ms and more (benchmarks/README.md, `guide`). Little
here is garbage in cycles; so it is looked for as often as that takes, and not as often as messages come."""


def collect_rarely() -> None:
    """Hold up the event loop less often, for some more memory."""
    gc.collect()
    gc.freeze()  # what was imported stays
    gc.set_threshold(*THRESHOLDS)
