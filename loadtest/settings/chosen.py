"""The options of one run, parsed and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from loadtest.settings.option import Option
from loadtest.settings.options import OPTIONS
from loadtest.settings.values import Address, Arrivals, ExpectStream, Rate


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
    prometheus_port: Address | None
    slo: list[str]
    abort_on: list[str]

    def public(self) -> dict[str, str | int | float | bool | None]:
        """What may be stored and shown: everything but secrets, as plain values.

        Not what may be given several times: a run keeps that in fields of its own.
        """
        apart = {option.attribute for option in OPTIONS if option.secret or option.multiple}
        plain = {name: getattr(self, name) for name in self.__struct_fields__ if name not in apart}
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
