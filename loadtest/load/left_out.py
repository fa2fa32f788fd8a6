"""What becomes of a report that can be neither sent nor written: it is counted, and takes no other along."""

from __future__ import annotations

from typing import Final

from loadtest.model import Batch, Count

LEFT_OUT: Final = "report_left_out"
"""Counter of such reports; a run that has any is invalid."""


def left_out(batch: Batch) -> Batch:
    """What takes the place of a batch that holds what cannot be written: the count that there was one."""
    return Batch(batch.process, batch.sequence, counters=[Count(LEFT_OUT, "", 1)])
