"""`loadtest serve`: the reference server in the foreground."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import ssl
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from loadtest.garbage import collect_rarely
from loadtest.open_files import raise_file_limit
from loadtest.protocol import CLOSE_POLICY, TOKEN_LIFE_S
from loadtest.server import AnswerStyle, ChatServer, Distribution, ServerCounts, ServerOptions
from loadtest.server.auth import issue
from loadtest.server.faults.control import ControlPortTaken
from loadtest.server.faults.kinds import described
from loadtest.server.faults.orders import order
from loadtest.server.limiter import Counted, LimiterKind, LimitScope
from loadtest.server.options import GUIDE_RATE
from loadtest.server.streams import StreamIds
from loadtest.settings import Rate, duration, one_of, optional_rate, positive, positive_duration, positive_int, whole

from .options import Parsed

SECRET_ENV: Final = "LOADTEST_JWT_SECRET"
DEMO_USER: Final = "demo"
KEEP_EVERY_S: Final = 1.0
"""The counts file and the truth file are at most this much behind."""
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_HTTP_REFUSALS: Final = (401, 403)
_CLOSE_REFUSALS: Final = range(3000, 5000)


def _refusal(text: str) -> int:
    """`1008`, an HTTP status or a close code of an application's own (RFC 6455 section 7.4.2)."""
    code = int(text) if text.isdecimal() else 0
    if code != CLOSE_POLICY and code not in _HTTP_REFUSALS and code not in _CLOSE_REFUSALS:
        raise ValueError(f"{text!r} is no refusal: give close code 1008 or 3000 to 4999, or HTTP status 401 or 403")
    return code


def _list_faults(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(described())
        context.exit()


@click.command("serve")
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, metavar="PORT",
              help="TCP port; 0 for a free one.")  # fmt: skip
@click.option("--jwt-secret", envvar=SECRET_ENV, show_envvar=True, metavar="SECRET",
              help="HS256 secret to check tokens with; without it a random one is made and printed.")  # fmt: skip
@click.option("--rate-limit", type=Parsed(optional_rate, "RATE"), default=str(GUIDE_RATE), show_default=True,
              help="Messages of one user in a window; none for none.")  # fmt: skip
@click.option("--limiter", type=Parsed(one_of(LimiterKind), "KIND"), default="fixed", show_default=True,
              help="Kind of the rate limit: fixed (window), sliding (log), bucket (of tokens).")  # fmt: skip
@click.option("--limit-scope", type=Parsed(one_of(LimitScope), "SCOPE"), default="user", show_default=True,
              help="Who shares a limit: all connections of a user, or each connection has its own.")  # fmt: skip
@click.option("--limit-counts", multiple=True, type=Parsed(one_of(Counted), "KIND"),
              help="What counts beside admitted messages: invalid, typing, rejected; repeatable.")  # fmt: skip
@click.option("--ttft", type=Parsed(duration, "TIME"), default="400ms", show_default=True,
              help="Mean time from the delivered ack to the first chunk of an answer.")  # fmt: skip
@click.option("--gap", type=Parsed(duration, "TIME"), default="25ms", show_default=True,
              help="Mean time between two chunks.")  # fmt: skip
@click.option("--chunks", type=Parsed(positive_int, "NUMBER"), default="30", show_default=True,
              help="Mean number of chunks of an answer; a completion frame follows the last.")  # fmt: skip
@click.option("--distribution", type=Parsed(one_of(Distribution), "KIND"), default="constant", show_default=True,
              help="How these three spread around their means: constant, exponential, lognormal.")  # fmt: skip
@click.option("--sigma", type=Parsed(positive, "NUMBER"), default="0.5", show_default=True,
              help="Spread of the lognormal: standard deviation of the logarithm.")  # fmt: skip
@click.option("--seed", type=Parsed(whole, "NUMBER"), default="1", show_default=True, help="Seed of the answers.")
@click.option("--no-ai", is_flag=True, help="Deliver messages, but answer none.")
@click.option("--stream-ids", type=Parsed(one_of(StreamIds), "KIND"), default="prefixed", show_default=True,
              help="Id of an answer: prefixed (ai-<messageId>), same (the message's own), random.")  # fmt: skip
@click.option("--refusal", type=Parsed(_refusal, "CODE"), default="1008", show_default=True,
              help="Close code, or HTTP status 401 or 403, for a missing or bad token.")  # fmt: skip
@click.option("--ping-interval", type=Parsed(positive_duration, "TIME"), default="30s", show_default=True,
              help="Time between pings; a connection that has not answered by the next is terminated.")  # fmt: skip
@click.option("--compression", is_flag=True, help="Accept permessage-deflate.")
@click.option("--cert", type=_FILE, metavar="FILE", help="Serve wss:// with this certificate: PEM, with its chain.")
@click.option("--key", type=_FILE, metavar="FILE",
              help="Its private key, without a passphrase; without this option it is in --cert, too.")  # fmt: skip
@click.option("--counts-file", type=_FILE, metavar="FILE", help="Keep what the server counted here, as JSON.")
@click.option("--truth-file", type=_FILE, metavar="FILE",
              help="Write the true moments of each message here, a JSON line each.")  # fmt: skip
@click.option("--fault", "faults", multiple=True, type=Parsed(order, "ORDER"),
              help="What is to go wrong, as ack-drop:every=10; repeatable.")  # fmt: skip
@click.option("--list-faults", is_flag=True, is_eager=True, expose_value=False, callback=_list_faults,
              help="Show what can be ordered with --fault, and exit.")  # fmt: skip
@click.option("--control-port", type=click.IntRange(0, 65535), metavar="PORT",
              help="Take orders of faults and tell counts over HTTP on 127.0.0.1; 0 for a free port.")  # fmt: skip
def serve(counts_file: Path | None, **given: Any) -> None:
    """Serve the guide's chat backend, the reference server, until SIGINT or SIGTERM."""
    for name, path in (("--counts-file", counts_file), ("--truth-file", given["truth_file"])):
        _check_writable(name, path)
    raise_file_limit()  # as those who connect to it do
    collect_rarely()
    asyncio.run(_serve(_options(given), counts_file, show_secret=not given["jwt_secret"]))


def _options(given: dict[str, Any]) -> ServerOptions:
    style = AnswerStyle(
        ttft_s=given["ttft"],
        gap_s=given["gap"],
        chunks=given["chunks"],
        distribution=given["distribution"],
        sigma=given["sigma"],
        seed=given["seed"],
    )
    return ServerOptions(
        jwt_secret=given["jwt_secret"] or secrets.token_urlsafe(32),
        listen=given["listen"],
        port=given["port"],
        rate_limit=given["rate_limit"],
        limiter=given["limiter"],
        limit_scope=given["limit_scope"],
        limit_counts=frozenset(given["limit_counts"]),
        answers=None if given["no_ai"] else style,
        stream_ids=given["stream_ids"],
        refusal=given["refusal"],
        ping_interval_s=given["ping_interval"],
        compression=given["compression"],
        truth_file=given["truth_file"],
        tls=_tls(given["cert"], given["key"]),
        faults=given["faults"],
        control_port=given["control_port"],
    )


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise click.UsageError("--key: needs the certificate that it belongs to; give it by --cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password="")  # a passphrase is refused, and not asked for
    except OSError as error:
        found = "no certificate and key that belong together" if isinstance(error, ssl.SSLError) else error.strerror
        held = str(cert) if key is None else f"{cert} and {key}"
        raise click.UsageError(
            f"--cert: {held}: {found}; give PEM files that can be read, without a passphrase"
        ) from None
    return context


async def _serve(options: ServerOptions, counts_file: Path | None, show_secret: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        server = await _listening(stack, options)
        click.echo(_greeting(server, options, show_secret))
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), KEEP_EVERY_S)
            server.flush()
            _keep(server.counts, counts_file)
    _keep(server.counts, counts_file)
    click.echo(f"stopped: {server.counts}")


async def _listening(stack: AsyncExitStack, options: ServerOptions) -> ChatServer:
    try:
        return await stack.enter_async_context(ChatServer(options))
    except OSError as error:
        raise click.UsageError(_not_listening(error, options)) from None


def _greeting(server: ChatServer, options: ServerOptions, show_secret: bool) -> str:
    """What to paste; the first line is for programs."""
    url = server.url
    token = issue(DEMO_USER, options.jwt_secret)
    lines = [
        f"listening on {url}",
        *([f"export {SECRET_ENV}={options.jwt_secret}"] if show_secret else []),
        f"token of user {DEMO_USER}, good for {TOKEN_LIFE_S // 60} min: {token}",
        f"locust -f locustfiles/chat.py --host {url}{_rate_option(options.rate_limit)}",
        *(f"fault ordered: {order.text}" for order in options.faults),
        *([f"control: {server.control_url}"] if server.control_url else []),
    ]
    return "\n".join(lines)


def _rate_option(limit: Rate | None) -> str:
    return "" if limit == GUIDE_RATE else f" --rate-limit {limit or 'none'}"


def _keep(counts: ServerCounts, path: Path | None) -> None:
    """Write the counts whole: whoever reads the file finds the old ones or the new ones."""
    if path is None:
        return
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(counts)) + b"\n")
    beside.replace(path)


def _check_writable(option: str, path: Path | None) -> None:
    try:
        if path is not None:
            path.write_bytes(b"")
    except OSError as error:
        reason = error.strerror or "not writable"
        raise click.UsageError(f"{option}: {str(path)!r} cannot be written ({reason}); give another file") from None


def _not_listening(error: OSError, options: ServerOptions) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    if isinstance(error, ControlPortTaken):
        return f"--control-port: {options.control_port} cannot be listened on ({reason}); give another, or 0"
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return f"--port: {options.port} cannot be listened on ({reason}); give another, or 0 for a free one"
    return f"--listen: {options.listen!r} cannot be listened on ({reason}); give an address of this machine"
