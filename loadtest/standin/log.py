"""The truth of the stand-in: one JSON line a request, written when the request is over.

Instants are nanoseconds of `time.monotonic_ns` (CLOCK_MONOTONIC), which all processes of one host share; wall times are
for labels. A token's moment is taken with its frame ready, right before it is written.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct


class Ended(StrEnum):
    """How a request ended."""

    COMPLETE = "complete"
    ERROR = "error"
    """Refused: by order, or because it was wrong."""
    CUT = "cut"
    """Closed in the middle, by order."""
    LEFT = "left"
    """The backend went away before the end."""
    STOPPED = "stopped"
    """The stand-in was stopped before the end."""


class Request(Struct, rename={"message_id": "messageId"}):
    """One request. What did not happen is null.

    Attributes:
        number: from 1, in the order of arrival.
        api: `anthropic` or `openai`.
        message_id: `messageId` in the line: the chat message that the request names; null where it names none.
        received_ns: its body had been read.
        received_utc: the same, ISO 8601.
        planned_ttft_ns: what was drawn for it.
        ttft_ns: from received to the first token, or to the whole answer where it was not streamed.
        gaps_ns: between tokens.
        late_ns: the longest that a token was written after it was due: the stand-in's own fault.
        ended_ns: the last byte was written, or the connection found closed.
        status: of HTTP.
        output_tokens: those that were written.
    """

    number: int
    api: str
    received_ns: int
    received_utc: str
    model: str | None = None
    message_id: str | None = None
    stream: bool = False
    status: int | None = None
    ended: Ended | None = None
    planned_ttft_ns: int | None = None
    ttft_ns: int | None = None
    gaps_ns: list[int] = msgspec.field(default_factory=list)
    late_ns: int | None = None
    ended_ns: int | None = None
    input_tokens: int | None = None
    output_tokens: int = 0


class RequestLog:
    """Gathers lines, since a write for each would show up in the times it tells of; without a file it drops them.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = path.open("wb", buffering=0) if path is not None else None
        self._encoder = msgspec.json.Encoder()
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        """Keep a request that is over."""
        if self._file is not None:
            self._requests.append(request)

    def flush(self) -> None:
        """Write what is kept."""
        if self._file is not None and self._requests:
            self._file.write(self._encoder.encode_lines(self._requests))
            self._requests.clear()

    def close(self) -> None:
        """Write what is kept, and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
