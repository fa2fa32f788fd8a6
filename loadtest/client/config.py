"""How the clients of a run behave."""

from __future__ import annotations

from msgspec import Struct

from loadtest.client.endpoint import Endpoint
from loadtest.client.offline_queue import QUEUE_LIMIT
from loadtest.settings import Backoff, TokenPlace


class ClientConfig(Struct, frozen=True):
    """How a client behaves; times in seconds.

    Attributes:
        names_messages: whether each text ends in the id of its message (`message.named`).
        queue_limit: messages that the offline queue holds.
        start_anew_s: how long one that gave up waits before it begins anew; None to stay away.
        silence_s: how long one that falls silent (`fall_silent`) takes to notice it.
    """

    endpoint: Endpoint
    reply_timeout_s: float
    backoff: Backoff = Backoff()
    token_in: TokenPlace = TokenPlace()
    names_messages: bool = False
    queue_limit: int = QUEUE_LIMIT
    start_anew_s: float | None = None
    silence_s: float = 5.0
