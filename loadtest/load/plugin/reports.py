"""How records travel from a worker to its master."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from loadtest.load.left_out import left_out
from loadtest.load.process import Process
from loadtest.model import Batch

logger = logging.getLogger("loadtest")

FIELD: Final = "loadtest"
"""Ours in a worker's report."""

decoded = msgspec.msgpack.Decoder(Batch).decode


def encoded(process: Process) -> list[bytes]:
    """All batches that a process has recorded by now, and takes no longer for its own."""
    return [_encoded(batch) for batch in process.recorder.take_all()]


def _encoded(batch: Batch) -> bytes:
    try:
        return msgspec.msgpack.encode(batch)
    except Exception as error:  # noqa: BLE001 - the recorder is empty by now: those behind this one would be lost with it
        logger.error("a report cannot be sent, and is left out: %s", error)
        return msgspec.msgpack.encode(left_out(batch))
