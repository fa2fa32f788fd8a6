"""The table of options, by what they are about."""

from __future__ import annotations

from typing import Final

from loadtest.objectives import checked, checked_condition
from loadtest.settings.option import Option
from loadtest.settings.parsers import (
    command,
    duration,
    flag,
    header,
    host_port,
    http_url,
    ip_address,
    json_path,
    label,
    listening,
    one_of,
    optional_rate,
    origin,
    parameter,
    positive,
    positive_duration,
    positive_int,
    rate,
    share,
    subprotocol,
    weights,
    whole,
)
from loadtest.settings.spread import spread
from loadtest.settings.template import json_template, text_template
from loadtest.settings.token_place import token_place
from loadtest.settings.values import Arrivals, ExpectStream, LimitKind

_LENGTHS: Final = spread(positive_int, "40", "200")
_TIMES: Final = spread(positive_duration, "30s", "90s")

IDENTITY_OPTIONS: Final = (
    Option("jwt-secret", str, None, "HS256 secret to mint a token for each user with", "SECRET", secret=True),
    Option("jwt-key", str, None, "PEM file with a private key to mint with: RSA for RS256, EC for ES256", "FILE"),
    Option("jwt-key-id", str, None, "kid in the header of tokens minted with --jwt-key", "ID"),
    Option(
        "jwt-claims",
        json_template,
        None,
        "claims of minted tokens, a JSON object; {n} in its texts is the number of the user, from 0 "
        "(default: userId and email)",
        "JSON",
    ),
    Option("jwt-ttl", positive_duration, "15m", "life of a minted token", "TIME"),
    Option("tokens-file", str, None, "file with one token a line, one for each user", "FILE"),
    Option("users-file", str, None, "CSV file of accounts, one for each user, under a row of column names", "FILE"),
    Option("login-url", http_url, None, "where the users of --users-file log in, by POST", "URL"),
    Option(
        "login-body",
        json_template,
        '{"email": "{email}", "password": "{password}"}',
        "JSON object to log in with; {column} in its texts is that column of --users-file",
        "JSON",
        secret=True,
    ),
    Option("login-token-path", json_path, "token", "where in the answer the token is, as in data.accessToken", "PATH"),
    Option("login-life-path", json_path, None, "where its life in seconds is (default: the token's own exp)", "PATH"),
    Option("login-refresh-path", json_path, None, "where the refresh token is, if --refresh-url takes one", "PATH"),
    Option("refresh-url", http_url, None, "where a token is renewed, by POST, before it expires", "URL"),
    Option(
        "refresh-body",
        json_template,
        '{"refreshToken": "{refreshToken}"}',
        "JSON object to renew with",
        "JSON",
        secret=True,
    ),
    Option("login-rate", rate, "20/1s", "logins and renewals of all users together", "RATE"),
    Option("login-concurrency", positive_int, "10", "logins at the same time", "NUMBER"),
    Option("login-timeout", positive_duration, "10s", "longest time for a login", "TIME"),
    Option(
        "token-in",
        token_place,
        "query:token",
        "where the backend looks for the token: query:NAME, header:NAME, cookie:NAME, subprotocol:NAME; "
        "'header:NAME=Token {token}' says how it is written there",
        "PLACE",
    ),
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
    Option(
        "query",
        parameter,
        None,
        "parameter of the address to send beside the token; may be repeated, in the environment one a line",
        "NAME=VALUE",
        secret=True,
        multiple=True,
        separator="\n",
    ),
    Option("origin", origin, None, "Origin to send, as a browser does, such as https://app.example.com", "ORIGIN"),
    Option("subprotocol", subprotocol, None, "subprotocol to offer; may be repeated", "NAME", multiple=True),
    Option("connect-to", host_port, None, "connect here, and be to the backend as if it were --host", "HOST:PORT"),
    Option(
        "source-addresses",
        ip_address,
        None,
        "address of this machine to connect from, users in turn; may be repeated: each has ports of its own",
        "IP",
        multiple=True,
    ),
    Option("no-compression", flag, "false", "do not offer permessage-deflate, which browsers do", "", flag=True),
    Option("traceparent", flag, "false", "send a W3C traceparent with each upgrade, of a random trace", "", flag=True),
    Option("connect-timeout", positive_duration, "10s", "longest wait for an authenticated connection", "TIME"),
    Option(
        "read-timeout",
        positive_duration,
        None,
        "longest silence before a connection is taken for dead, and made anew (default: any)",
        "TIME",
    ),
    Option(
        "ping-timeout",
        positive_duration,
        None,
        "the same, where a ping goes out after half of it: finds half-open connections of a quiet backend",
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
    Option("above-burst", positive_int, "1", "messages that a user above the limit sends at once", "NUMBER"),
    Option(
        "abuse-period",
        positive_duration,
        None,
        "users above the limit send in every other period of this length only: measures how far they slow down the "
        "others",
        "TIME",
    ),
    Option(
        "typing-period",
        positive_duration,
        None,
        "users type in every other period of this length only, as in 10s: measures how far that slows down the acks",
        "TIME",
    ),
    Option(
        "limiter",
        one_of(LimitKind),
        "auto",
        "kind of limit that the server is held to: fixed (window), sliding (log), bucket (of tokens); auto takes what "
        "fits best",
        "KIND",
    ),
    Option("invalid-share", share, "0%", "share of messages that are invalid on purpose, and must be refused", "SHARE"),
    Option(
        "bad-tokens", share, "0%", "share of users who come with bad tokens, as an IntruderUser, to be refused", "SHARE"
    ),
    Option(
        "arrivals",
        one_of(Arrivals),
        "poisson",
        "spacing of messages without a rate limit: poisson, constant, burst",
        "KIND",
    ),
    Option(
        "conversation",
        text_template,
        None,
        "id of a conversation; {n} is its number, from 0, {userId} and columns of --users-file are the user's "
        "(default: conv-{n})",
        "TEMPLATE",
    ),
    Option("conversations-file", str, None, "file with one conversation id a line; users share where too few", "FILE"),
    Option(
        "participants",
        positive_int,
        None,
        "users who share one conversation (default: what the user class says, else 1)",
        "NUMBER",
    ),
    Option(
        "connections-per-user",
        positive_int,
        "1",
        "connections of each user, as tabs and devices are: they share its account, its rate and its limit",
        "NUMBER",
    ),
    Option("burst-size", positive_int, "5", "messages of a burst (--arrivals burst)", "NUMBER"),
    Option(
        "think-time",
        _TIMES,
        None,
        "from one message of a user to its next, whatever the answers do, in place of --message-rate and --arrivals: "
        "30s, uniform:10s,50s, exponential:30s, lognormal:20s,1 (median and sigma), file:FILE (a value a line)",
        "TIMES",
    ),
    Option("message-length", _LENGTHS, "40", "characters in a message: 40, uniform:20,200, file:FILE ...", "CHARS"),
    Option(
        "answer-length",
        _LENGTHS,
        None,
        "words that a message asks its answer to have ('Answer in 80 words.'): 80, lognormal:80,0.7, file:FILE ...",
        "WORDS",
    ),
    Option(
        "session-length",
        _TIMES,
        None,
        "users come and go: how long one stays, as in lognormal:5m,1 (default: to the end)",
        "TIMES",
    ),
    Option("away-time", _TIMES, None, "and how long it stays away, as in exponential:10m", "TIMES"),
    Option("weights", weights, None, "user classes by weight, as in WithinLimitUser=8,AboveLimitUser=0", "WEIGHTS"),
    Option(
        "first-user", whole, "0", "number of the first user: runs with numbers of their own share no user", "NUMBER"
    ),
    Option("seed", whole, "1", "seed of schedules and texts", "NUMBER"),
)
"""What users do."""

RECOVERY_OPTIONS: Final = (
    Option("reconnect-base", positive_duration, "1s", "wait before the first attempt to reconnect, doubled each time",
           "TIME"),
    Option("reconnect-max", positive_duration, "30s", "longest wait before an attempt, without jitter", "TIME"),
    Option("reconnect-attempts", whole, "5", "attempts in a row before a user gives up", "NUMBER"),
    Option("reconnect-jitter", share, "0.2", "greatest share of a wait that is added, drawn; 0 for none", "SHARE"),
    Option("offline-queue", positive_int, "100", "messages that wait while a user is away; the oldest give way",
           "NUMBER"),
    Option("start-anew", positive_duration, None, "time after which a user that gave up begins anew (default: never)",
           "TIME"),
    Option("silence", positive_duration, "5s", "how long a SilentUser takes to notice its lost network", "TIME"),
    Option("away", positive_duration, "5s", "how long a LeavingUser stays away", "TIME"),
    Option("read-pause", positive_duration, "5s", "how long a slow reader reads nothing", "TIME"),
    Option("read-pause-every", positive_duration, "15s", "time from one of its pauses to the next", "TIME"),
    Option("loss-every", positive_duration, "20s",
           "mean time between the losses of a user who loses its connection by itself, as a RoamingUser", "TIME"),
    Option("outage-command", command, None, "command that makes an outage, as one that restarts the backend; no shell",
           "COMMAND"),
    Option("outage-at", positive_duration, None, "time from the start at which it runs; may be repeated", "TIME",
           multiple=True),
    Option("outage-every", positive_duration, None, "time from one run of it to the next", "TIME"),
    Option("outage-timeout", positive_duration, "60s", "longest time that it may take before it is ended", "TIME"),
)  # fmt: skip
"""How connections are lost, and how users come back."""

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
        "llm-log",
        str,
        None,
        "log of loadtest mock-llm behind the backend, for ttft_overhead; messages then end in their own id",
        "FILE",
    ),
    Option(
        "server-pid",
        positive_int,
        None,
        "process of the server on this machine, to sample its CPU, memory and open files; may be repeated",
        "PID",
        multiple=True,
    ),
    Option(
        "server-metrics",
        http_url,
        None,
        "Prometheus endpoint of the server, to sample the same from",
        "URL",
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

OPTIONS: Final = (
    *IDENTITY_OPTIONS,
    *CONNECTION_OPTIONS,
    *LOAD_OPTIONS,
    *RECOVERY_OPTIONS,
    *RUN_OPTIONS,
    *OBJECTIVE_OPTIONS,
)
"""Every option of a run beside Locust's own."""
