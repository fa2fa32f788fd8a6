"""How records travel from a worker to its master."""

from __future__ import annotations

from typing import Final

import msgspec

from loadtest.load.process import Process
from loadtest.model import Batch

FIELD: Final = "loadtest"
"""Ours in a worker's report."""

decoded = msgspec.msgpack.Decoder(Batch).decode


def encoded(process: Process) -> list[bytes]:
    """All batches that a process has recorded by now, and takes no longer for its own."""
    return [msgspec.msgpack.encode(batch) for batch in process.recorder.take_all()]
