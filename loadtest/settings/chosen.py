"""The options of one run, parsed and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from loadtest.protocol import NAMED_LENGTH
from loadtest.settings.identity import check_identity
from loadtest.settings.option import Option
from loadtest.settings.options import OPTIONS
from loadtest.settings.parsers import redacted
from loadtest.settings.spread import Spread
from loadtest.settings.template import Template
from loadtest.settings.token_place import Carrier, TokenPlace
from loadtest.settings.values import Address, Arrivals, ExpectStream, Header, LimitKind, Parameter, Rate


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
    typing_period: float | None
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
    query: tuple[Parameter, ...]
    origin: str | None
    subprotocol: tuple[str, ...]
    connect_to: Address | None
    source_addresses: tuple[str, ...]
    no_compression: bool
    traceparent: bool
    connect_timeout: float
    read_timeout: float | None
    expect_stream: ExpectStream
    participants: int | None
    connections_per_user: int
    burst_size: int
    think_time: Spread | None
    message_length: Spread
    answer_length: Spread | None
    session_length: Spread | None
    away_time: Spread | None
    ping_timeout: float | None
    reconnect_base: float
    reconnect_max: float
    reconnect_attempts: int
    reconnect_jitter: float
    offline_queue: int
    start_anew: float | None
    silence: float
    away: float
    read_pause: float
    read_pause_every: float
    loss_every: float
    outage_command: str | None
    outage_at: tuple[float, ...]
    outage_every: float | None
    outage_timeout: float
    weights: dict[str, float]
    max_frame_size: int
    first_user: int
    seed: int
    llm_log: str | None
    server_pid: tuple[int, ...]
    server_metrics: str | None
    prometheus_port: Address | None
    slo: list[str]
    abort_on: list[str]

    def seats(self, accounts: int | None) -> int | None:
        """How many connections so many accounts have users for; None for any number."""
        return None if accounts is None else max(accounts - self.first_user, 0) * self.connections_per_user

    def accounts(self, connections: int | None) -> int | None:
        """How many users so many connections are of; None where their number is not known."""
        return None if connections is None else -(-connections // self.connections_per_user)

    @property
    def pace(self) -> Rate:
        """Messages that a user within the limit means to send while it is there."""
        return self.message_rate if self.think_time is None else Rate(1, self.think_time.mean)

    @property
    def present_share(self) -> float:
        """Of its time that a user is there, in the mean: 1 where users do not come and go."""
        if self.session_length is None or self.away_time is None:
            return 1.0
        return self.session_length.mean / (self.session_length.mean + self.away_time.mean)

    @property
    def connection_per_s(self) -> float:
        """Messages a second that a connection within the limit means to send, in the mean of all its time."""
        return self.pace.per_second * self.present_share / self.connections_per_user

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
    several = ("header", "query", "subprotocol", "server_pid", "source_addresses", "outage_at")
    parsed |= {name: tuple(parsed[name]) for name in several}
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
    if parsed["traceparent"] and any(header.name.lower() == "traceparent" for header in parsed["header"]):
        raise ValueError("--traceparent: --header gives one already; leave one of the two out")
    place = parsed["token_in"]
    if place.carrier is Carrier.QUERY and place.name in {parameter.name for parameter in parsed["query"]}:
        raise ValueError(
            f"--query: {place.name} is the token's (--token-in), which is added for each user; leave it out"
        )
    if place.carrier is Carrier.HEADER and place.name.lower() in {header.name.lower() for header in parsed["header"]}:
        raise ValueError(f"--token-in: --header gives {place.name} already; leave one of the two out")
    if parsed["llm_log"] and parsed["message_length"].least < NAMED_LENGTH:
        raise ValueError(
            f"--message-length: {parsed['message_length']} has no room for the message's id, which --llm-log needs; "
            f"give at least {NAMED_LENGTH}"
        )
    if parsed["server_pid"] and parsed["server_metrics"]:
        raise ValueError("--server-metrics: --server-pid says where to look already; give one of the two")
    for one, other in (("session_length", "away_time"), ("away_time", "session_length")):
        if parsed[one] and not parsed[other]:
            raise ValueError(f"--{one.replace('_', '-')}: is of no use without --{other.replace('_', '-')}; give both")
    limit, think = parsed["rate_limit"], parsed["think_time"]
    pace = parsed["message_rate"] if think is None else Rate(1, think.mean)
    if limit is not None and think is not None and pace.per_second > limit.per_second:
        raise ValueError(
            f"--think-time: {think} is a message every {think.mean:.3g} s, above --rate-limit {limit}, so users would "
            "be held back; think longer, or raise the limit"
        )
    if limit is not None and pace.per_second > limit.per_second:
        raise ValueError(
            f"--message-rate: {pace} is above --rate-limit {limit}, so no user would be within it; lower the one or "
            "raise the other"
        )
    tabs = parsed["connections_per_user"]
    if limit is not None and tabs > limit.messages:
        raise ValueError(
            f"--connections-per-user: {tabs} connections share --rate-limit {limit}, and each needs a message to join "
            f"its conversation; give at most {limit.messages}"
        )
    _check_periods(parsed)
    _check_recovery(parsed)
    check_identity(parsed)


def _check_periods(parsed: dict[str, Any]) -> None:
    if parsed["abuse_period"] and parsed["typing_period"]:
        raise ValueError(
            "--typing-period: with --abuse-period nobody could tell what slows down the others; give one of the two"
        )
    for name in ("abuse_period", "typing_period"):
        if parsed[name] and parsed["session_length"]:
            raise ValueError(
                f"--{name.replace('_', '-')}: its periods are the clock's, and whoever comes and goes "
                "(--session-length) has a clock of its own; give one of the two"
            )


def _check_recovery(parsed: dict[str, Any]) -> None:
    if parsed["reconnect_max"] < parsed["reconnect_base"]:
        raise ValueError("--reconnect-max: is below --reconnect-base; raise the one or lower the other")
    if parsed["outage_at"] and not parsed["outage_command"]:
        raise ValueError("--outage-at: says when --outage-command runs; give that, or leave this out")
    if parsed["outage_every"] is not None and not parsed["outage_command"]:
        raise ValueError(
            "--outage-every: says when --outage-command runs; give that, or --loss-every for users who lose their "
            "connections by themselves"
        )
    if parsed["outage_command"] and not parsed["outage_at"] and parsed["outage_every"] is None:
        raise ValueError("--outage-command: when is it to run? Give --outage-at or --outage-every")
    if parsed["read_pause"] >= parsed["read_pause_every"]:
        raise ValueError("--read-pause: leaves no time to read; make it shorter than --read-pause-every")
