"""The options of a run, declared once: `locust` and `loadtest run` both take them from here.

A parser turns the text of an option into its value and raises `ValueError` with what was wrong and what to do, so that
either command line can print it behind the option's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct


class ExpectStream(StrEnum):
    """Whether an AI answer is expected for each delivered message."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class Arrivals(StrEnum):
    """How the intended times of a user without a declared limit lie."""

    POISSON = "poisson"
    CONSTANT = "constant"
    BURST = "burst"


CONSOLE_ENV: Final = "LOADTEST_CONSOLE"
"""Set for Locust by `loadtest run`: plan and progress, and not Locust's tables."""


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

    def __str__(self) -> str:
        return f"{self.messages}/{self.window_s:g}s"


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        name: as on the command line, without dashes.
        parse: text to value; raises ValueError.
        default: text of the default; None when there is none.
        help: one line.
        secret: kept out of pages, logs and run folders.
        multiple: may be given several times; in the environment separated by commas.
    """

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    metavar: str
    secret: bool = False
    multiple: bool = False

    @property
    def env(self) -> str:
        return "LOADTEST_" + self.name.replace("-", "_").upper()

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")


Choice = TypeVar("Choice", bound=StrEnum)

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_RATE = re.compile(r"(\d+)/(.+)")


def duration(text: str) -> float:
    """`90`, `90s`, `1.5m`, `200ms` or `2h` as seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: give seconds or a unit, as in 90, 90s, 1.5m")
    return float(match[1]) * _UNITS[match[2] or "s"]


def positive_duration(text: str) -> float:
    """A duration above 0."""
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} is not above 0")
    return seconds


def rate(text: str) -> Rate:
    """`10/60s` as a rate."""
    match = _RATE.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise ValueError(f"{text!r} is no rate: give messages/window, as in 10/60s")
    return Rate(int(match[1]), positive_duration(match[2]))


def optional_rate(text: str) -> Rate | None:
    """A rate, or `none`."""
    return None if text.strip().lower() == "none" else rate(text)


def label(text: str) -> tuple[str, str]:
    """`build=abc123` as its two halves."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"{text!r} is no label: give key=value, as in build=abc123")
    if not text.isprintable():
        raise ValueError(f"{text!r} is no label: it holds characters that cannot be printed; leave them out")
    return key.strip(), value.strip()


def positive_int(text: str) -> int:
    """A whole number above 0."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole(text: str) -> int:
    """A whole number, 0 or above."""
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} is not a whole number of 0 or above")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is not a number above 0")
    return value


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """A parser for the values of an enum."""

    def parse(text: str) -> Choice:
        try:
            return choices(text.strip().lower())
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}") from None

    return parse


def weights(text: str) -> dict[str, float]:
    """`WithinLimitUser=8,AboveLimitUser=0` as user classes and their weights."""
    result = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        try:
            result[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not result[name.strip()] >= 0:
            raise ValueError(f"{part!r} is no weight: give Class=number, as in WithinLimitUser=8,AboveLimitUser=0")
    return result


def ws_url(text: str) -> str:
    """The address of a chat backend, checked: ws:// or wss://, a host, and no query (the token goes there)."""
    url = urlsplit(text.strip())
    if not text.strip().isprintable() or " " in text.strip():
        raise ValueError(f"{redacted(text)!r} holds blanks: give ws://HOST:PORT/ws")
    try:
        port = url.port
    except ValueError:
        raise ValueError(f"{redacted(text)!r} has no valid port: give ws://HOST:PORT/ws") from None
    if url.scheme not in ("ws", "wss") or not url.hostname or port == 0:
        raise ValueError(f"{redacted(text)!r} is no WebSocket address: give ws://HOST:PORT/ws or wss://HOST/ws")
    if url.query or url.fragment or url.username:
        raise ValueError(f"{redacted(text)!r}: leave out user, query and fragment; the token is added for each user")
    return text.strip()


def redacted(url: str) -> str:
    """An address without what may be secret: its query, fragment and user part."""
    return re.sub(r"(?<=://)[^/@]*@", "", re.split(r"[?#]", url, maxsplit=1)[0])


OPTIONS: Final = (
    Option("jwt-secret", str, None, "HS256 secret to mint a token for each user with", "SECRET", secret=True),
    Option("tokens-file", str, None, "file with one token a line, one for each user", "FILE"),
    Option("results", str, "results", "folder that run folders are made in", "FOLDER"),
    Option(
        "warmup",
        duration,
        None,
        "time from the start to leave out of the percentiles (default: end of spawning plus one rate-limit window)",
        "TIME",
    ),
    Option("label", label, None, "key=value kept with the run; may be repeated", "KEY=VALUE", multiple=True),
    Option(
        "rate-limit", optional_rate, "10/60s", "rate limit that the server declares, per user; none for none", "RATE"
    ),
    Option("message-rate", rate, "8/60s", "messages of a user within the limit", "RATE"),
    Option("above-factor", positive, "2", "how many times the rate limit a user above it sends", "NUMBER"),
    Option(
        "arrivals",
        one_of(Arrivals),
        "poisson",
        "spacing of messages without a rate limit: poisson, constant, burst",
        "KIND",
    ),
    Option("reply-timeout", positive_duration, "30s", "longest silence before a message or stream is given up", "TIME"),
    Option("connect-timeout", positive_duration, "10s", "longest wait for an authenticated connection", "TIME"),
    Option(
        "expect-stream", one_of(ExpectStream), "auto", "does the server answer with AI streams: auto, yes, no", "CHOICE"
    ),
    Option("message-length", positive_int, "40", "characters in a message", "CHARS"),
    Option("outage-every", positive_duration, "20s", "mean time between the outages of a RoamingUser", "TIME"),
    Option("weights", weights, None, "user classes by weight, as in WithinLimitUser=8,AboveLimitUser=0", "WEIGHTS"),
    Option(
        "max-frame-size",
        positive_int,
        str(16 * 2**20),
        "largest frame to accept, bytes; a larger one closes the connection",
        "BYTES",
    ),
    Option("seed", whole, "1", "seed of schedules and texts", "NUMBER"),
)
"""Every option of a run beside Locust's own."""


class Settings(Struct, frozen=True):
    """Parsed options; the fields are those of `OPTIONS`."""

    jwt_secret: str | None
    tokens_file: str | None
    results: str
    warmup: float | None
    label: dict[str, str]
    rate_limit: Rate | None
    message_rate: Rate
    above_factor: float
    arrivals: Arrivals
    reply_timeout: float
    connect_timeout: float
    expect_stream: ExpectStream
    message_length: int
    outage_every: float
    weights: dict[str, float]
    max_frame_size: int
    seed: int

    def public(self) -> dict[str, str | int | float | bool | None]:
        """What may be stored and shown: everything but secrets, as plain values."""
        secret = {option.attribute for option in OPTIONS if option.secret}
        plain = {name: getattr(self, name) for name in self.__struct_fields__ if name not in secret | {"label"}}
        return {
            name: value if value is None or isinstance(value, (bool, int, float)) else _text(value)
            for name, value in plain.items()
        }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={part:g}" for key, part in value.items())
    return str(value)


def settings(values: Mapping[str, Any]) -> Settings:
    """Settings from raw option values.

    Args:
        values: option attribute to text, or to an already parsed value; a missing or None value takes the default.

    Raises:
        ValueError: `--option: what was wrong`.
    """
    parsed: dict[str, Any] = {}
    for option in OPTIONS:
        value = values.get(option.attribute)
        if value is None or value == "":
            value = option.default
        try:
            parsed[option.attribute] = _parsed(option, value)
        except ValueError as error:
            raise ValueError(f"--{option.name}: {error}") from None
    parsed["label"] = dict(parsed["label"])
    parsed["weights"] = parsed["weights"] or {}
    _check_together(parsed)
    return Settings(**parsed)


def _parsed(option: Option, value: Any) -> Any:
    if option.multiple:
        parts = value.split(",") if isinstance(value, str) else value or []
        return [option.parse(part) if isinstance(part, str) else part for part in parts]
    return option.parse(value) if isinstance(value, str) else value


def _check_together(parsed: dict[str, Any]) -> None:
    limit, pace = parsed["rate_limit"], parsed["message_rate"]
    if limit is not None and pace.per_second > limit.per_second:
        raise ValueError(
            f"--message-rate: {pace} is above --rate-limit {limit}, so no user would be within it; lower the one or "
            "raise the other"
        )
    if parsed["jwt_secret"] and parsed["tokens_file"]:
        raise ValueError("--tokens-file: cannot be combined with --jwt-secret; give one of the two")
