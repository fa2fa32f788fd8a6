"""`loadtest mock-llm`: the stand-in for the model in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from loadtest.errors import UsageError
from loadtest.open_files import raise_file_limit
from loadtest.server.answers import AnswerStyle, Distribution
from loadtest.settings import duration, one_of, positive, positive_int, whole
from loadtest.standin.trouble import Trouble, Troubles, share

from .options import Parsed

if TYPE_CHECKING:
    from loadtest.standin.server import StandIn, StandInOptions

FLUSH_EVERY_S: Final = 0.2
"""The log is at most this much behind."""
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command("mock-llm")
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5100, show_default=True, metavar="PORT",
              help="TCP port; 0 for a free one.")  # fmt: skip
@click.option("--ttft", type=Parsed(duration, "TIME"), default="400ms", show_default=True,
              help="Mean time from a request to the first token of its answer.")  # fmt: skip
@click.option("--gap", type=Parsed(duration, "TIME"), default="25ms", show_default=True,
              help="Mean time between two tokens.")  # fmt: skip
@click.option("--tokens", type=Parsed(positive_int, "NUMBER"), default="30", show_default=True,
              help="Mean number of tokens of an answer; a token is a frame.")  # fmt: skip
@click.option("--distribution", type=Parsed(one_of(Distribution), "KIND"), default="constant", show_default=True,
              help="How these three spread around their means: constant, exponential, lognormal.")  # fmt: skip
@click.option("--sigma", type=Parsed(positive, "NUMBER"), default="0.5", show_default=True,
              help="Spread of the lognormal: standard deviation of the logarithm.")  # fmt: skip
@click.option("--seed", type=Parsed(whole, "NUMBER"), default="1", show_default=True,
              help="Seed of the answers and errors: the n-th request of two runs gets the same.")  # fmt: skip
@click.option("--error", "errors", multiple=True, type=Parsed(share, "KIND=SHARE"),
              help=f"What goes wrong and how often, as in 429=2%: {', '.join(Trouble)} (the connection closed in the "
                   "middle of an answer); repeatable.")  # fmt: skip
@click.option("--retry-after", type=Parsed(duration, "TIME"), default="1s", show_default=True,
              help="What a 429 tells the backend to wait.")  # fmt: skip
@click.option("--model", "models", multiple=True, default=("stand-in",), show_default=True, metavar="NAME",
              help="Name in the list of models; repeatable. Others are answered too.")  # fmt: skip
@click.option("--log", type=_FILE, metavar="FILE", help="Write the truth of each request here, a JSON line each.")
def mock_llm(**given: Any) -> None:
    """Stand in for the model: the HTTP of the Anthropic Messages and the OpenAI chat completions API.

    Give the printed address to the backend in place of the provider's. Any key is taken, and none is kept.
    """
    raise_file_limit()
    asyncio.run(_serve(_options(given)))


def _options(given: dict[str, Any]) -> StandInOptions:
    try:
        from loadtest.standin.server import StandInOptions  # noqa: PLC0415  # aiohttp, which is not for everybody
    except ModuleNotFoundError:
        raise UsageError(
            "mock-llm: needs aiohttp, which is not installed: pip install 'chat-loadtest[mock-llm]'"
        ) from None
    try:
        Troubles(given["errors"], given["seed"])
    except ValueError as error:
        raise click.UsageError(f"--error: {error}") from None
    style = AnswerStyle(
        ttft_s=given["ttft"],
        gap_s=given["gap"],
        chunks=given["tokens"],
        distribution=given["distribution"],
        sigma=given["sigma"],
        seed=given["seed"],
    )
    return StandInOptions(
        listen=given["listen"],
        port=given["port"],
        answers=style,
        troubles=given["errors"],
        retry_after_s=given["retry_after"],
        models=given["models"],
        log=given["log"],
    )


async def _serve(options: StandInOptions) -> None:
    from loadtest.standin.server import StandIn  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stand_in = await _listening(stack, StandIn(options))
        click.echo(_greeting(stand_in, options))
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_EVERY_S)
            stand_in.flush()
    click.echo(_farewell(stand_in))


async def _listening(stack: AsyncExitStack, stand_in: StandIn) -> StandIn:
    try:
        return await stack.enter_async_context(stand_in)
    except OSError as error:
        raise click.UsageError(_explained(error)) from None


def _explained(error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    if error.filename is not None:
        return f"--log: {str(error.filename)!r} cannot be written ({reason}); give another file"
    return f"--listen, --port: cannot be listened on ({reason}); give an address of this machine and a free port"


def _greeting(stand_in: StandIn, options: StandInOptions) -> str:
    """What to paste where the backend is started; the first line is for programs."""
    lines = [
        f"listening on {stand_in.url}",
        f"export ANTHROPIC_BASE_URL={stand_in.url}",
        f"export OPENAI_BASE_URL={stand_in.url}/v1",
    ]
    if options.log is not None:
        lines.append(f"loadtest run --llm-log {options.log} ... measures ttft_overhead")
    return "\n".join(lines)


def _farewell(stand_in: StandIn) -> str:
    ended = ", ".join(f"{number:,} {how}" for how, number in sorted(stand_in.ended.items()))
    late = sorted(stand_in.late_ns)
    parts = [
        f"{sum(stand_in.ended.values()):,} requests" + (f": {ended}" if ended else ""),
        *([f"tokens late by at most {_ms(late[-1])}, p99 {_ms(late[(99 * len(late) - 1) // 100])}"] if late else []),
    ]
    return f"stopped: {'; '.join(parts)}"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f} ms"
