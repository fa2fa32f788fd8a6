"""The options of a run, declared once: `locust` and `loadtest run` both take them from here.

A parser turns the text of an option into its value and raises `ValueError` with what was wrong and what to do, so that
either command line can print it behind the option's name.
"""

from typing import Final

from loadtest.settings.chosen import Settings, settings
from loadtest.settings.option import Option
from loadtest.settings.options import CONNECTION_OPTIONS, IDENTITY_OPTIONS, OPTIONS
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
    redacted,
    subprotocol,
    weights,
    whole,
    ws_url,
)
from loadtest.settings.values import Address, Arrivals, ExpectStream, Header, Rate

CONSOLE_ENV: Final = "LOADTEST_CONSOLE"
"""Set for Locust by `loadtest run`: plan and progress, and not Locust's tables."""

__all__ = [
    "CONNECTION_OPTIONS",
    "CONSOLE_ENV",
    "IDENTITY_OPTIONS",
    "OPTIONS",
    "Address",
    "Arrivals",
    "ExpectStream",
    "Header",
    "Option",
    "Rate",
    "Settings",
    "duration",
    "flag",
    "header",
    "host_port",
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
    "subprotocol",
    "weights",
    "whole",
    "ws_url",
]
