"""The table of options, by what they are about."""

from __future__ import annotations

from typing import Final

from loadtest.objectives import checked, checked_condition
from loadtest.settings.option import Option
from loadtest.settings.parsers import (
    duration,
    label,
    listening,
    one_of,
    optional_rate,
    positive,
    positive_duration,
    positive_int,
    rate,
    weights,
    whole,
)
from loadtest.settings.values import Arrivals, ExpectStream

IDENTITY_OPTIONS: Final = (
    Option("jwt-secret", str, None, "HS256 secret to mint a token for each user with", "SECRET", secret=True),
    Option("tokens-file", str, None, "file with one token a line, one for each user", "FILE"),
)
"""Who the users are."""

CONNECTION_OPTIONS: Final = (
    Option("connect-timeout", positive_duration, "10s", "longest wait for an authenticated connection", "TIME"),
    Option(
        "max-frame-size",
        positive_int,
        str(16 * 2**20),
        "largest frame to accept, bytes; a larger one closes the connection",
        "BYTES",
    ),
)
"""How users reach the backend."""

LOAD_OPTIONS: Final = (
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
    Option("message-length", positive_int, "40", "characters in a message", "CHARS"),
    Option("outage-every", positive_duration, "20s", "mean time between the outages of a RoamingUser", "TIME"),
    Option("weights", weights, None, "user classes by weight, as in WithinLimitUser=8,AboveLimitUser=0", "WEIGHTS"),
    Option("seed", whole, "1", "seed of schedules and texts", "NUMBER"),
)
"""What users do."""

RUN_OPTIONS: Final = (
    Option("results", str, "results", "folder that run folders are made in", "FOLDER"),
    Option(
        "warmup",
        duration,
        None,
        "time from the start to leave out of the percentiles (default: end of spawning plus one rate-limit window)",
        "TIME",
    ),
    Option("label", label, None, "key=value kept with the run; may be repeated", "KEY=VALUE", multiple=True),
    Option("reply-timeout", positive_duration, "30s", "longest silence before a message or stream is given up", "TIME"),
    Option(
        "expect-stream", one_of(ExpectStream), "auto", "does the server answer with AI streams: auto, yes, no", "CHOICE"
    ),
    Option(
        "prometheus-port",
        listening,
        None,
        "port to serve the run's numbers at for Prometheus while it goes on; HOST:PORT for other machines",
        "PORT",
    ),
)
"""What is measured, and where it is kept."""

OBJECTIVE_OPTIONS: Final = (
    Option(
        "slo",
        checked,
        None,
        "objective, as in 'ack_delivered.p99 < 250ms', or a TOML file of them; may be repeated; a miss ends with 1",
        "OBJECTIVE",
        multiple=True,
    ),
    Option(
        "abort-on",
        checked_condition,
        None,
        "end the run early, with 1, when this comes true, as in 'delivered_ratio < 50%'; may be repeated",
        "CONDITION",
        multiple=True,
    ),
)
"""What is asked of the run."""

OPTIONS: Final = (*IDENTITY_OPTIONS, *CONNECTION_OPTIONS, *LOAD_OPTIONS, *RUN_OPTIONS, *OBJECTIVE_OPTIONS)
"""Every option of a run beside Locust's own."""
