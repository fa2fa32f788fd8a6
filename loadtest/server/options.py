"""What a reference server can be told."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest.protocol import CLOSE_POLICY, MESSAGES_PER_WINDOW, PING_INTERVAL_S, WINDOW_S
from loadtest.settings import Rate

from .answers import AnswerStyle
from .faults.orders import Order
from .limiter import LimiterKind, LimitScope
from .streams import StreamIds

GUIDE_RATE: Final = Rate(MESSAGES_PER_WINDOW, WINDOW_S)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of one server; the defaults are the guide's.

    Attributes:
        jwt_secret: key that tokens are checked with; never shown.
        listen: address to listen on.
        port: TCP port; 0 for a free one.
        rate_limit: of each user; None for none.
        limiter: kind of that limit.
        limit_scope: who shares one limit.
        answers: how the AI answers; None to switch it off.
        stream_ids: ids of the answers.
        refusal: close code (1000 to 4999) that a missing or bad token is refused with after `connection:error`; or the
            HTTP status (below 1000) to refuse the upgrade with.
        ping_interval_s: seconds between the pings of a connection.
        compression: whether to accept permessage-deflate.
        max_backlog_bytes: a connection for which more than this is waiting to be read is terminated, so that a reader
            that is slow or dead costs a bounded amount of memory.
        truth_file: where the true moments of each message go; None for nowhere.
        faults: what is to go wrong.
        tls: to serve wss:// with, its certificate loaded; None for ws://.
        control_port: port of 127.0.0.1 to listen for orders of tests (`control`); 0 for a free one, None for none.
    """

    jwt_secret: str = field(repr=False)
    listen: str = "127.0.0.1"
    port: int = 0
    rate_limit: Rate | None = GUIDE_RATE
    limiter: LimiterKind = LimiterKind.FIXED
    limit_scope: LimitScope = LimitScope.USER
    answers: AnswerStyle | None = field(default_factory=AnswerStyle)
    stream_ids: StreamIds = StreamIds.PREFIXED
    refusal: int = CLOSE_POLICY
    ping_interval_s: float = PING_INTERVAL_S
    compression: bool = False
    max_backlog_bytes: int = 8 * 2**20
    truth_file: Path | None = None
    faults: tuple[Order, ...] = ()
    tls: ssl.SSLContext | None = None
    control_port: int | None = None
