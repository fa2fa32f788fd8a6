"""The log of `loadtest mock-llm`, as far as it is about one run: kept in the run's folder.

The log goes on over many runs, and may be of another machine; what a run needs of it stays with the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from loadtest.errors import RunFolderError

KEPT: Final = "llm.jsonl"


class ModelRequest(Struct, frozen=True, rename={"message_id": "messageId"}):
    """What is read of a line; `standin.log.Request` has all that the stand-in writes.

    Attributes:
        received_ns, ended_ns: instants of the stand-in's monotonic clock.
        ttft_ns: from received to the first token; None where it gave none.
    """

    received_ns: int
    ended_ns: int
    ended: str
    message_id: str | None = None
    status: int | None = None
    ttft_ns: int | None = None


_DECODER: Final = msgspec.json.Decoder(ModelRequest)


class Kept(Struct, frozen=True):
    """What was found in a log.

    Attributes:
        requests: lines of the log.
        ours: those that name a message of the run.
    """

    requests: int
    ours: int


def keep(log: Path, folder: Path, message_ids: frozenset[str]) -> Kept:
    """Copy the lines that name messages of a run into its folder; without any, nothing is written.

    Raises:
        RunFolderError: the log cannot be read or is none, or the folder not written.
    """
    lines, ours = 0, []
    for line in _lines(log):
        lines += 1
        if _request(log, line).message_id in message_ids:
            ours.append(line)
    if ours:
        try:
            (folder / KEPT).write_bytes(b"\n".join(ours) + b"\n")
        except OSError as error:
            raise RunFolderError(f"cannot write {folder / KEPT}: {error.strerror}") from None
    return Kept(lines, len(ours))


def read_kept(folder: Path) -> list[ModelRequest] | None:
    """The requests to the stand-in that a run's folder keeps; None where it keeps none.

    Raises:
        RunFolderError: the file cannot be read.
    """
    path = folder / KEPT
    return [_request(path, line) for line in _lines(path)] if path.exists() else None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        yield from filter(None, path.read_bytes().split(b"\n"))
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror}") from None


def _request(path: Path, line: bytes) -> ModelRequest:
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: is no log of loadtest mock-llm: {error}") from None
