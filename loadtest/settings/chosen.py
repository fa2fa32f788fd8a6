"""The options of one run, parsed and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from loadtest.settings.identity import check_identity
from loadtest.settings.option import Option
from loadtest.settings.options import OPTIONS
from loadtest.settings.parsers import redacted
from loadtest.settings.template import Template
from loadtest.settings.token_place import TokenPlace
from loadtest.settings.values import Address, Arrivals, ExpectStream, Header, LimitKind, Rate


class Settings(Struct, frozen=True):
    """Parsed options; the fields are those of `OPTIONS`."""

    jwt_secret: str | None
    jwt_key: str | None
    jwt_key_id: str | None
    jwt_claims: Template | None
    jwt_ttl: float
    tokens_file: str | None
    users_file: str | None
    login_url: str | None
    login_body: Template
    login_token_path: str
    login_life_path: str | None
    login_refresh_path: str | None
    refresh_url: str | None
    refresh_body: Template
    login_rate: Rate
    login_concurrency: int
    login_timeout: float
    token_in: TokenPlace
    conversation: Template | None
    conversations_file: str | None
    results: str
    warmup: float | None
    label: dict[str, str]
    rate_limit: Rate | None
    message_rate: Rate
    above_factor: float
    above_burst: int
    abuse_period: float | None
    limiter: LimitKind
    invalid_share: float
    bad_tokens: float
    arrivals: Arrivals
    reply_timeout: float
    ca_file: str | None
    client_cert: str | None
    client_key: str | None
    insecure: bool
    header: tuple[Header, ...]
    origin: str | None
    subprotocol: tuple[str, ...]
    connect_to: Address | None
    no_compression: bool
    connect_timeout: float
    read_timeout: float | None
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

        Nor what a run keeps in fields of its own.
        """
        apart = {option.attribute for option in OPTIONS if option.secret} | {"label", "slo", "abort_on"}
        plain = {name: getattr(self, name) for name in self.__struct_fields__ if name not in apart}
        return {
            name: value if value is None or isinstance(value, (bool, int, float)) else _text(value)
            for name, value in plain.items()
        }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={part:g}" for key, part in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    # the query of a login's address may hold a key
    return redacted(value) if isinstance(value, str) and "://" in value else str(value)


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
    parsed |= {name: tuple(parsed[name]) for name in ("header", "subprotocol")}
    _check_together(parsed)
    return Settings(**parsed)


def _parsed(option: Option, value: Any) -> Any:
    if option.multiple:
        parts = option.parts(value) if isinstance(value, str) else value or []
        return [option.parse(part) if isinstance(part, str) else part for part in parts]
    return option.parse(value) if isinstance(value, str) else value


def _check_together(parsed: dict[str, Any]) -> None:
    if parsed["client_key"] and not parsed["client_cert"]:
        raise ValueError("--client-key: belongs to a certificate; give it as --client-cert, or leave the key out")
    if parsed["insecure"] and parsed["ca_file"]:
        raise ValueError("--ca-file: nothing is checked against it with --insecure; give one of the two")
    limit, pace = parsed["rate_limit"], parsed["message_rate"]
    if limit is not None and pace.per_second > limit.per_second:
        raise ValueError(
            f"--message-rate: {pace} is above --rate-limit {limit}, so no user would be within it; lower the one or "
            "raise the other"
        )
    check_identity(parsed)
