"""What a request asks, as far as a stand-in has to know. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from loadtest.protocol import MESSAGE_ID


class Turn(Struct, frozen=True):
    """One message of a conversation; its content is text, or a list of parts."""

    role: str
    content: Any = None

    @property
    def text(self) -> str:
        """Its text, without its images and whatever else it has."""
        if isinstance(self.content, str):
            return self.content
        parts = self.content if isinstance(self.content, list) else []
        texts = (part.get("text") for part in parts if isinstance(part, dict))
        return "\n".join(text for text in texts if isinstance(text, str))


class StreamOptions(Struct, frozen=True):
    """Of the OpenAI API."""

    include_usage: bool = False


class Asked(Struct, frozen=True):
    """The body of a request, of either API; what else it says is taken and ignored.

    Attributes:
        system: of the Anthropic API: text, or a list of parts.
        max_tokens: most tokens of the answer; the OpenAI API has a newer name for it.
    """

    model: str
    messages: list[Turn]
    stream: bool | None = None
    system: Any = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: StreamOptions | None = None

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def input_tokens(self) -> int:
        """What it is billed for: a token is a word here, as in the answers."""
        return sum(len(turn.text.split()) for turn in (Turn("system", self.system), *self.messages))

    @property
    def message_id(self) -> str | None:
        """The chat message that it is for: the last id in the text of the user's last turn that names one.

        A backend may send the conversation so far, write the user's text into a prompt of its own, or put something
        of its own behind it.
        """
        for turn in reversed(self.messages):
            found = MESSAGE_ID.findall(turn.text) if turn.role == "user" else []
            if found:
                return str(found[-1])
        return None


_DECODER: Final = msgspec.json.Decoder(Asked)


def asked(body: bytes) -> Asked:
    """Read a request's body.

    Raises:
        ValueError: with what is wrong with it.
    """
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if not found.messages:
        raise ValueError("messages: at least one message is required")
    if found.most_tokens is not None and found.most_tokens < 1:
        raise ValueError("max_tokens: must be at least 1")
    return found
