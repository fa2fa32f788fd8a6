"""The Anthropic Messages API: https://docs.anthropic.com/en/api/messages, /messages-streaming and /errors. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from loadtest.standin.reply import Refusal, Reply
from loadtest.standin.trouble import Trouble

_REFUSALS: Final = {
    Trouble.RATE_LIMIT: (429, "rate_limit_error", "This request would exceed your rate limit."),
    Trouble.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Trouble.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}
_COMPLAINTS: Final = {400: "invalid_request_error", 404: "not_found_error"}


class Anthropic:
    """See `reply.Api`."""

    name = "anthropic"
    id_header = "request-id"

    def request_id(self, number: int) -> str:
        return f"req_{number:024d}"

    def whole(self, reply: Reply) -> dict[str, object]:
        return _message(reply, [{"type": "text", "text": reply.text}], _stop(reply), len(reply.tokens))

    def opening(self, reply: Reply) -> bytes:
        return b"".join(
            (
                _frame("message_start", message=_message(reply, [], None, 1)),
                _frame("content_block_start", index=0, content_block={"type": "text", "text": ""}),
                _frame("ping"),
            )
        )

    def first(self, _: Reply) -> bytes:
        return b""

    def token(self, _: Reply, text: str) -> bytes:
        return _frame("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def closing(self, reply: Reply) -> bytes:
        delta = {"stop_reason": _stop(reply), "stop_sequence": None}
        return b"".join(
            (
                _frame("content_block_stop", index=0),
                _frame("message_delta", delta=delta, usage={"output_tokens": len(reply.tokens)}),
                _frame("message_stop"),
            )
        )

    def refusal(self, trouble: Trouble, number: int) -> Refusal:
        status, kind, message = _REFUSALS[trouble]
        return self._error(status, kind, message, number)

    def complaint(self, status: int, message: str, number: int) -> Refusal:
        return self._error(status, _COMPLAINTS[status], message, number)

    def _error(self, status: int, kind: str, message: str, number: int) -> Refusal:
        error = {"type": kind, "message": message}
        return Refusal(status, {"type": "error", "error": error, "request_id": self.request_id(number)})


def _message(reply: Reply, content: list[dict[str, str]], stop: str | None, tokens: int) -> dict[str, object]:
    return {
        "id": f"msg_{reply.number:024d}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens,
        },
    }


def _stop(reply: Reply) -> str:
    return "max_tokens" if reply.cut_off else "end_turn"


def _frame(event: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode({"type": event, **fields}))
