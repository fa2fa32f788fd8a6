"""The options in which a comparison is asked for, shared by `compare` and `ab`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from .options import Parsed

if TYPE_CHECKING:
    from loadtest.analysis.compare import Terms

LARGEST: Final = 10.0
_TERMS: Final = ("margin", "detect", "gates", "live_provider")


def positive_share(text: str) -> float:
    """`5%`, `5 %` or `0.05` as a share above 0."""
    number, percent = (text.strip().removesuffix("%"), text.strip().endswith("%"))
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= LARGEST:
        raise ValueError(f"{text!r} is no share: give a percentage above 0, as in 5%")
    return value


def gate(text: str) -> str:
    """The key of a quantity that can be compared."""
    from loadtest.analysis.sample import QUANTITIES  # noqa: PLC0415  # numpy, only now

    if text not in QUANTITIES:
        near = get_close_matches(text, QUANTITIES, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(QUANTITIES)}"
        raise ValueError(f"{text!r} cannot be compared; {hint}")
    return text


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --margin, --detect, --gate, --live-provider and --force."""
    for option in (
        click.option("--force", is_flag=True, help="Compare unlike and invalid runs all the same, and say so."),
        click.option(
            "--live-provider",
            is_flag=True,
            envvar="LOADTEST_LIVE_PROVIDER",
            help="A live model gives the answers: metrics that it dominates do not decide. Also by the label "
            "provider=live.",
        ),
        click.option(
            "--gate",
            "gates",
            type=Parsed(gate, "KEY"),
            multiple=True,
            help="What decides, as in ack_delivered.p95; may be repeated [default: ack_delivered.p95, ttft.p95, "
            "stream_completion.p95, delivered_ratio].",
        ),
        click.option(
            "--detect",
            type=Parsed(positive_share, "SHARE"),
            default="10%",
            show_default=True,
            help="Change that ought to be found, for what that would take.",
        ),
        click.option(
            "--margin",
            type=Parsed(positive_share, "SHARE"),
            default="5%",
            show_default=True,
            help="Change that is small enough to be none; of ratios, at most 0.5 %.",
        ),
    ):
        command = option(command)
    return command


def asked(context: click.Context, kept: Terms) -> Terms:
    """The terms of an experiment, but for those that are given anew.

    Raises:
        click.UsageError: a change within the margin is to be found.
    """
    from msgspec.structs import replace  # noqa: PLC0415

    anew = [name for name in _TERMS if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    terms = replace(kept, **{name: context.params[name] for name in anew})
    if terms.detect <= terms.margin:
        raise click.UsageError(
            f"--detect: {100 * terms.detect:g} % is within --margin {100 * terms.margin:g} %; raise it"
        )
    return terms
