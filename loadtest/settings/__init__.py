"""The options of a run, declared once: `locust` and `loadtest run` both take them from here.

A parser turns the text of an option into its value and raises `ValueError` with what was wrong and what to do, so that
either command line can print it behind the option's name.
"""

from typing import Final

from loadtest.settings.backoff import Backoff
from loadtest.settings.chosen import Settings, settings
from loadtest.settings.identity import ALTERNATIVES, SOURCES
from loadtest.settings.option import Option
from loadtest.settings.options import CONNECTION_OPTIONS, IDENTITY_OPTIONS, OPTIONS
from loadtest.settings.parsers import (
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
    positive,
    positive_duration,
    positive_int,
    rate,
    redacted,
    share,
    subprotocol,
    weights,
    whole,
    ws_url,
)
from loadtest.settings.spread import Spread, spread
from loadtest.settings.template import Template, json_template, text_template
from loadtest.settings.token_place import Carrier, TokenPlace, token_place
from loadtest.settings.values import Address, Arrivals, ExpectStream, Header, LimitKind, Rate

CONSOLE_ENV: Final = "LOADTEST_CONSOLE"
"""Set for Locust by `loadtest run`: plan and progress, and not Locust's tables."""

__all__ = [
    "ALTERNATIVES",
    "CONNECTION_OPTIONS",
    "CONSOLE_ENV",
    "IDENTITY_OPTIONS",
    "OPTIONS",
    "SOURCES",
    "Address",
    "Arrivals",
    "Backoff",
    "Carrier",
    "ExpectStream",
    "Header",
    "LimitKind",
    "Option",
    "Rate",
    "Settings",
    "Spread",
    "Template",
    "TokenPlace",
    "duration",
    "flag",
    "header",
    "host_port",
    "http_url",
    "ip_address",
    "json_path",
    "json_template",
    "label",
    "listening",
    "one_of",
    "optional_rate",
    "origin",
    "positive",
    "positive_duration",
    "positive_int",
    "rate",
    "redacted",
    "settings",
    "share",
    "spread",
    "subprotocol",
    "text_template",
    "token_place",
    "weights",
    "whole",
    "ws_url",
]
