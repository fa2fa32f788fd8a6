"""Values of options that have a type of their own."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class ExpectStream(StrEnum):
    """Whether an AI answer is expected for each delivered message."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"

    @property
    def certain(self) -> bool | None:
        """None where the run has to find out."""
        return None if self is ExpectStream.AUTO else self is ExpectStream.YES


class Arrivals(StrEnum):
    """How the intended times of a user without a declared limit lie."""

    POISSON = "poisson"
    CONSTANT = "constant"
    BURST = "burst"


class LimitKind(StrEnum):
    """Which rate limit a server keeps."""

    FIXED = "fixed"
    """A window that opens at a user's first message, and admits so many."""
    SLIDING = "sliding"
    """So many in any window's length."""
    BUCKET = "bucket"
    """A bucket of so many tokens, that fills within a window."""
    AUTO = "auto"
    """Whichever of these a run contradicts least."""


class Header(Struct, frozen=True):
    """A header of the upgrade; its value may be secret, and is in no text that this makes."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Header({self.name!r}, ***)"

    __str__ = __repr__


class Parameter(Struct, frozen=True):
    """A parameter of the query; its value may be secret, and is in no text that this makes."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, ***)"

    __str__ = __repr__


class Rate(Struct, frozen=True):
    """So many messages in so long a window.

    Attributes:
        messages: at least 1.
        window_s: seconds, above 0.
    """

    messages: int
    window_s: float

    @property
    def per_second(self) -> float:
        return self.messages / self.window_s

    def share(self, of: int) -> Rate:
        """What each of so many has, so that together they are never above it in any window.

        Args:
            of: at most `messages`.
        """
        return self if of == 1 else Rate(self.messages // of, self.window_s)

    def __str__(self) -> str:
        return f"{self.messages}/{self.window_s:g}s"


class Address(Struct, frozen=True):
    """Where to listen or to connect to.

    Attributes:
        host: a name, or an IP address without brackets.
        port: 0 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
