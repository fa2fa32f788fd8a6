"""The OpenAI chat completions API: https://platform.openai.com/docs/api-reference/chat, its streaming, and its error
codes. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from loadtest.standin.reply import Refusal, Reply
from loadtest.standin.trouble import Trouble

_REFUSALS: Final = {
    Trouble.RATE_LIMIT: (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    Trouble.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    Trouble.OVERLOADED: (503, "server_error", None, "The engine is currently overloaded, please try again later."),
}
_COMPLAINTS: Final = {400: None, 404: "not_found"}


class OpenAi:
    """See `reply.Api`."""

    name = "openai"
    id_header = "x-request-id"

    def request_id(self, number: int) -> str:
        return f"req_{number:032x}"

    def whole(self, reply: Reply) -> dict[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
        return _object("chat.completion", reply) | {"choices": [choice], "usage": _usage(reply)}

    def opening(self, _: Reply) -> bytes:
        return b""

    def first(self, reply: Reply) -> bytes:
        return _chunk(reply, {"role": "assistant", "content": "", "refusal": None})

    def token(self, reply: Reply, text: str) -> bytes:
        return _chunk(reply, {"content": text})

    def closing(self, reply: Reply) -> bytes:
        about_usage = _object("chat.completion.chunk", reply) | {"choices": [], "usage": _usage(reply)}
        usage = _frame(about_usage) if reply.usage_wanted else b""
        return _chunk(reply, {}, _finish(reply)) + usage + b"data: [DONE]\n\n"

    def refusal(self, trouble: Trouble, _: int) -> Refusal:
        status, kind, code, message = _REFUSALS[trouble]
        return _error(status, kind, code, message)

    def complaint(self, status: int, message: str, _: int) -> Refusal:
        return _error(status, "invalid_request_error", _COMPLAINTS[status], message)


def _object(kind: str, reply: Reply) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{reply.number:029d}",
        "object": kind,
        "created": reply.created_s,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _chunk(reply: Reply, delta: dict[str, str | None], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    usage = {"usage": None} if reply.usage_wanted else {}
    return _frame(_object("chat.completion.chunk", reply) | {"choices": [choice]} | usage)


def _usage(reply: Reply) -> dict[str, object]:
    output = len(reply.tokens)
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": output,
        "total_tokens": reply.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _finish(reply: Reply) -> str:
    return "length" if reply.cut_off else "stop"


def _frame(body: object) -> bytes:
    return b"data: %s\n\n" % msgspec.json.encode(body)


def _error(status: int, kind: str, code: str | None, message: str) -> Refusal:
    return Refusal(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})
