"""An answer of the model, and what an API makes of it. Pure."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from loadtest.standin.trouble import Trouble


class Reply(Struct, frozen=True):
    """One answer.

    Attributes:
        number: of the request, from 1: unique for a server.
        created_s: Unix time.
        tokens: its texts; a token is a chunk.
        input_tokens: of the request.
        cut_off: whether the request allowed no more tokens.
        usage_wanted: whether a stream of the OpenAI API ends with a chunk about usage.
    """

    number: int
    model: str
    created_s: int
    tokens: tuple[str, ...]
    input_tokens: int
    cut_off: bool = False
    usage_wanted: bool = False

    @property
    def text(self) -> str:
        return "".join(self.tokens)


class Refusal(Struct, frozen=True):
    """An answer that is an error.

    Attributes:
        status: of HTTP.
        body: to be sent as JSON.
    """

    status: int
    body: dict[str, object]


class Api(Protocol):
    """How one provider words things."""

    @property
    def name(self) -> str: ...
    @property
    def id_header(self) -> str:
        """Of an answer; the SDKs show it with an error."""
        ...

    def request_id(self, number: int) -> str: ...
    def whole(self, reply: Reply) -> dict[str, object]:
        """The body of an answer that is not streamed."""
        ...

    def opening(self, reply: Reply) -> bytes:
        """Frames of a stream that go out at once, long before the first token; may be empty."""
        ...

    def first(self, reply: Reply) -> bytes:
        """Frames that go out with the first token, before it; may be empty."""
        ...

    def token(self, reply: Reply, text: str) -> bytes: ...
    def closing(self, reply: Reply) -> bytes: ...
    def refusal(self, trouble: Trouble, number: int) -> Refusal: ...
    def complaint(self, status: int, message: str, number: int) -> Refusal:
        """About a request that is wrong, 400 or 404."""
        ...
