"""What of a message's time to first token was the model's: from the log of its stand-in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.runs.columns import MISSING, Ints
from loadtest.runs.standin import ModelRequest

MATCHED: Final = "matched"
NO_REQUEST: Final = "without a request"
SEVERAL: Final = "with several answers"


@dataclass(frozen=True, slots=True, eq=False)
class ModelTime:
    """The stand-in's part of a run.

    Attributes:
        share_ns: what it took of each message's time to first token; `MISSING` where that is not known. Shape n.
        matches: messages that got a first token by how they were matched.
        requests: requests by how they ended: `complete`, `cut`, `error 429` ...
    """

    share_ns: Ints
    matches: dict[str, int]
    requests: dict[str, int]


def model_time(message_ids: Sequence[str], first_content_ns: Ints, requests: Iterable[ModelRequest]) -> ModelTime:
    """Match requests to messages by the id that they name.

    The stand-in's part is the time within which it had a request of the message in hand, up to its first token: with a
    backend that tries again after an error, all tries count, and the pauses between them are the backend's own. Only
    durations of one clock are used, so the stand-in may run on another machine. A message of which several requests
    got a token is in no sample: it is not known which of them the user saw.

    Args:
        message_ids: of the run's messages.
        first_content_ns: instants of their first tokens, `MISSING` for none. Shape n.
    """
    by_message: dict[str, list[ModelRequest]] = defaultdict(list)
    ended: dict[str, int] = defaultdict(int)
    for request in requests:
        if request.message_id is not None:
            by_message[request.message_id].append(request)
        ended[f"error {request.status}" if request.ended == "error" else request.ended] += 1
    share = np.full(len(message_ids), MISSING, np.int64)
    matches: dict[str, int] = defaultdict(int)
    for place in np.flatnonzero(first_content_ns != MISSING).tolist():
        own = by_message.get(message_ids[place], [])
        answered = [request for request in own if request.ttft_ns is not None]
        if len(answered) == 1:
            share[place] = _in_hand(answered[0], own)
        matches[MATCHED if len(answered) == 1 else SEVERAL if answered else NO_REQUEST] += 1
    return ModelTime(share, dict(matches), dict(ended))


def _in_hand(answered: ModelRequest, requests: Iterable[ModelRequest]) -> int:
    """Length of the union of the requests' times, up to the first token, ns."""
    assert answered.ttft_ns is not None
    first_token = answered.received_ns + answered.ttft_ns
    spans = sorted(
        (request.received_ns, first_token if request is answered else min(request.ended_ns, first_token))
        for request in requests
        if request.received_ns < first_token
    )
    total, until = 0, spans[0][0]
    for begin, end in spans:
        total += max(end - max(begin, until), 0)
        until = max(until, end)
    return total
