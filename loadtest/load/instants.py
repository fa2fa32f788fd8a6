"""The instants among what a process records: of a worker on another machine, they are of another clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from loadtest.model import Batch, Receipts

INSTANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": (
        "intended_ns",
        "sent_ns",
        "received_ns",
        "delivered_ns",
        "refused_ns",
        "first_content_ns",
        "last_content_ns",
        "completed_ns",
    ),
    "connects": ("began_ns", "authenticated_ns", "ended_ns"),
    "disconnects": ("at_ns",),
    "outages": ("lost_ns", "authenticated_ns", "recovered_ns", "flushed_ns", "noticed_ns"),
    "histograms": ("start_ns", "end_ns"),
    "health": ("at_ns",),
    "logins": ("began_ns", "ended_ns"),
    "receipts": ("at_ns",),
    "stays": ("from_ns", "until_ns"),
    "typed": ("sent_ns",),
    "ghosts": ("silent_ns", "noticed_ns", "ended_ns"),
    "flushes": ("began_ns", "ended_ns"),
}
"""By list of a batch, the fields that are instants of the process's clock; all others in ns are durations. What a
worker never records is not here: steps of a shape and samples of the server are the master's own."""


def shifted(batch: Batch, by_ns: int) -> Batch:
    """The same batch, with all its instants moved by so much."""
    if not by_ns:
        return batch
    moved = {
        name: [_moved(record, fields, by_ns) for record in records]
        for name, fields in INSTANTS.items()
        if (records := getattr(batch, name))
    }
    return msgspec.structs.replace(batch, **moved)


def _moved(record: Struct, fields: tuple[str, ...], by_ns: int) -> Struct:
    if isinstance(record, Receipts):
        at_ns = np.frombuffer(record.at_ns, "<i8") + by_ns
        return msgspec.structs.replace(record, at_ns=at_ns.astype("<i8").tobytes())
    changes: dict[str, Any] = {field: at + by_ns for field in fields if (at := getattr(record, field)) is not None}
    return msgspec.structs.replace(record, **changes)
