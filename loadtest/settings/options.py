"""The table of options, by what they are about."""

from __future__ import annotations

from typing import Final

from loadtest.settings.option import Option
from loadtest.settings.parsers import (
    duration,
    flag,
    header,
    host_port,
    label,
    listening,
    one_of,
    optional_rate,
    origin,
    positive,
    positive_duration,
    positive_int,
    rate,
    subprotocol,
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
    Option("ca-file", str, None, "PEM file of the authorities to trust instead of the system's", "FILE"),
    Option("client-cert", str, None, "PEM file of a certificate to show to the backend, with its chain", "FILE"),
    Option("client-key", str, None, "PEM file of its private key; without it the key is in --client-cert", "FILE"),
    Option("insecure", flag, "false", "do not check the backend's certificate", "", flag=True),
    Option(
        "header",
        header,
        None,
        "header to send at the upgrade; may be repeated, in the environment one a line",
        "'NAME: VALUE'",
        secret=True,
        multiple=True,
        separator="\n",
    ),
    Option("origin", origin, None, "Origin to send, as a browser does, such as https://app.example.com", "ORIGIN"),
    Option("subprotocol", subprotocol, None, "subprotocol to offer; may be repeated", "NAME", multiple=True),
    Option("connect-to", host_port, None, "connect here, and be to the backend as if it were --host", "HOST:PORT"),
    Option("no-compression", flag, "false", "do not offer permessage-deflate, which browsers do", "", flag=True),
    Option("connect-timeout", positive_duration, "10s", "longest wait for an authenticated connection", "TIME"),
    Option(
        "read-timeout",
        positive_duration,
        None,
        "longest silence before a connection is taken for dead, and made anew (default: any)",
        "TIME",
    ),
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

OPTIONS: Final = (*IDENTITY_OPTIONS, *CONNECTION_OPTIONS, *LOAD_OPTIONS, *RUN_OPTIONS)
"""Every option of a run beside Locust's own."""
