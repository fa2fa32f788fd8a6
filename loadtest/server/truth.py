"""The true moments of each message, as the server knows them: one JSON line a message.

Times are nanoseconds of `time.monotonic_ns` (CLOCK_MONOTONIC), which all processes of one host share, so that a
client's record can be held against them. Each is taken with the frame ready, right before it is written to the first
of its recipients. Of other frames than those of a message (typing, pings, the connection's own) nothing is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

LINES_PER_WRITE: Final = 256
"""Lines are gathered before they are written: a write for each message would show up in the latencies it explains."""


class MessageTruth(Struct, omit_defaults=True):
    """The moments of one message; those that did not happen are left out of the line.

    Attributes:
        message_id: `messageId` in the line: the client's own.
        read_ns: its frame was handed to the handler.
        rejected_ns: ack `error`: of the rate limit, or of a fault.
        received_ns: ack `received`.
        broadcast_ns: `message:receive` to its conversation.
        delivered_ns: ack `delivered`.
        first_content_ns: first chunk of the answer.
        content_ns: every chunk of the answer that has content, the first among them.
        completed_ns: completion frame.
        stream_id: id of the answer's stream, where that is not `ai-<messageId>`.
        faults: names of the faults that it was done, in order.
        owed: writes that a fault holds back; the line is not written before them, and then this is left out.
    """

    message_id: str = msgspec.field(name="messageId")
    read_ns: int
    rejected_ns: int | None = None
    received_ns: int | None = None
    broadcast_ns: int | None = None
    delivered_ns: int | None = None
    first_content_ns: int | None = None
    content_ns: list[int] = msgspec.field(default_factory=list)
    completed_ns: int | None = None
    stream_id: str | None = None
    faults: list[str] = msgspec.field(default_factory=list)
    owed: int = 0

    def acked(self, status: Literal["received", "delivered", "error"], moment_ns: int) -> None:
        """An ack was written at this moment; of several of one status the first counts."""
        if status == "received":
            self.received_ns = self.received_ns or moment_ns
        elif status == "delivered":
            self.delivered_ns = self.delivered_ns or moment_ns
        else:
            self.rejected_ns = self.rejected_ns or moment_ns

    def wrote_content(self, moment_ns: int) -> None:
        """A chunk of the answer was written at this moment."""
        if self.first_content_ns is None:
            self.first_content_ns = moment_ns
        self.content_ns.append(moment_ns)


class TruthLog:
    """Appends finished records to a file; without a file it drops them.

    Args:
        path: file to write anew, or None.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = path.open("wb", buffering=0) if path is not None else None
        self._encoder = msgspec.json.Encoder()
        self._records: list[MessageTruth] = []

    def add(self, record: MessageTruth) -> None:
        """Keep a record to which nothing more will happen; with `owed` writes, once that has been said for each."""
        if record.owed:
            record.owed -= 1
            return
        if self._file is None:
            return
        self._records.append(record)
        if len(self._records) >= LINES_PER_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if self._file is not None and self._records:
            self._file.write(self._encoder.encode_lines(self._records))
            self._records.clear()

    def close(self) -> None:
        """Write what is kept, and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
