"""The reference server's own log of a run (`loadtest serve --truth-file`), as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from loadtest.errors import RunFolderError
from loadtest.runs.columns import MISSING, Ints


class _Line(Struct, rename={"message_id": "messageId"}):
    """What is read of a line; `server.truth.MessageTruth` has all that the server writes."""

    message_id: str
    read_ns: int = MISSING
    delivered_ns: int = MISSING
    first_content_ns: int = MISSING
    completed_ns: int = MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The moments of some messages at the server, monotonic ns, `MISSING` where they never came. Each of shape n.

    Attributes:
        read_ns: its frame was handed to the server's handler.
        delivered_ns: the ack `delivered` was written, the frame being ready.
        first_content_ns: the same of the first chunk.
        completed_ns: the same of the completion.
    """

    read_ns: Ints
    delivered_ns: Ints
    first_content_ns: Ints
    completed_ns: Ints


def read_truth(path: Path, message_ids: Sequence[str]) -> Truth:
    """The moments of messages, in their order; all `MISSING` for one that the server does not know.

    Raises:
        RunFolderError: the file cannot be read, or is no truth file.
    """
    try:
        lines = msgspec.json.Decoder(_Line).decode_lines(path.read_bytes())
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise RunFolderError(f"{path}: is no truth file: {error}") from None
    found = {line.message_id: line for line in lines}
    unknown = _Line("")
    rows = [msgspec.structs.astuple(found.get(message_id, unknown))[1:] for message_id in message_ids]
    return Truth(*np.array(rows, np.int64).reshape(-1, 4).T)
