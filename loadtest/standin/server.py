"""The stand-in's HTTP, by aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from loadtest.server.answers import AnswerStyle, AnswerWriter
from loadtest.standin.anthropic import Anthropic
from loadtest.standin.asked import Asked, asked
from loadtest.standin.log import Ended, Request, RequestLog
from loadtest.standin.openai import OpenAi
from loadtest.standin.reply import Api, Refusal, Reply
from loadtest.standin.trouble import Share, Trouble, Troubles, cut_after

_LARGEST_BODY: Final = 64 * 2**20
"""A conversation with images in it."""
_SHUTDOWN_S: Final = 0.5
"""For open answers; then they are cut off."""
_CLEANUP_S: Final = 3.0
_EVENT_STREAM: Final = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_ANTHROPIC, _OPENAI = Anthropic(), OpenAi()


class StandInOptions(Struct, frozen=True):
    """How the model is.

    Attributes:
        port: 0 for a free one.
        answers: their times and lengths; a chunk is a token.
        troubles: what goes wrong, by shares of the requests.
        retry_after_s: what a 429 tells the backend to wait.
        models: what the list of models names; others are answered too.
        log: file to write the truth to.
    """

    listen: str = "127.0.0.1"
    port: int = 0
    answers: AnswerStyle = AnswerStyle()
    troubles: tuple[Share, ...] = ()
    retry_after_s: float = 1.0
    models: tuple[str, ...] = ("stand-in",)
    log: Path | None = None


class StandIn:
    """A server of both APIs, to be used as an asynchronous context.

    The n-th request gets the n-th draw of trouble, time to first token, gaps and length, whatever became of the others.

    Attributes:
        ended: requests by how they ended.
        late_ns: the longest that a token was written after it was due, of each request that was answered.

    Raises:
        OSError: on entering: the address cannot be listened on, or the log not written.
    """

    def __init__(self, options: StandInOptions) -> None:
        self.ended: Counter[Ended] = Counter()
        self.late_ns: list[int] = []
        self._options = options
        self._troubles = Troubles(options.troubles, options.answers.seed)
        self._writer = AnswerWriter(options.answers)
        self._number = 0
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def __aenter__(self) -> StandIn:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/messages", self._answer_as_anthropic)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        app.router.add_post("/v1/chat/completions", self._answer_as_openai)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/v1/models/{model:.+}", self._show_model)
        app.router.add_route("*", "/{path:.*}", self._not_found)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._options.listen, self._options.port).start()
            self._log = RequestLog(self._options.log)  # once it is sure that no other one writes to the file
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            # seen to wait for ever for a request that arrived as it began, on a machine with too much to do
            with suppress(TimeoutError):
                await asyncio.wait_for(self._runner.cleanup(), _CLEANUP_S)
        finally:
            self._log.close()

    @property
    def url(self) -> str:
        """Where it listens, without `/v1`."""
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def flush(self) -> None:
        """Write the truth of finished requests to its file."""
        self._log.flush()

    # --- answers ------------------------------------------------------------------------------------------------------
    async def _answer_as_anthropic(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, _ANTHROPIC)

    async def _answer_as_openai(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, _OPENAI)

    async def _answer(self, http: web.Request, api: Api) -> web.StreamResponse:
        body = await http.read()
        truth = self._begin(api)
        # drawn before anything is known of the request, so that the draws of the others do not hang on it
        trouble, answer = self._troubles.draw(), self._writer.answer()
        try:
            wanted = asked(body)
        except ValueError as error:
            return self._refuse(truth, api, api.complaint(400, str(error), truth.number))
        truth.model, truth.message_id = wanted.model, wanted.message_id
        truth.stream, truth.input_tokens = bool(wanted.stream), wanted.input_tokens
        if trouble is not None and trouble is not Trouble.CUT:
            return self._refuse(truth, api, api.refusal(trouble, truth.number))
        ends = (0, *answer.ends)
        tokens = tuple(answer.text[start:end] for start, end in pairwise(ends))
        reply = _reply(truth.number, wanted, tokens)
        truth.planned_ttft_ns = round(answer.waits_s[0] * 1e9)
        play = _Play(http, api, reply, answer.waits_s[: len(reply.tokens)], truth, cut=trouble is Trouble.CUT)
        try:
            return await (play.stream() if truth.stream else play.whole())
        except ConnectionError:
            truth.ended = Ended.LEFT
            raise
        finally:
            self._end(truth)

    def _begin(self, api: Api) -> Request:
        self._number += 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Request(self._number, api.name, time.monotonic_ns(), now)

    def _refuse(self, truth: Request, api: Api, refusal: Refusal) -> web.Response:
        truth.status, truth.ended = refusal.status, Ended.ERROR
        headers = {api.id_header: api.request_id(truth.number)}
        if refusal.status == 429:
            headers["retry-after"] = f"{self._options.retry_after_s:g}"
        self._end(truth)
        return _json(refusal.body, refusal.status, headers)

    def _end(self, truth: Request) -> None:
        truth.ended_ns = time.monotonic_ns()
        truth.ended = truth.ended or Ended.STOPPED
        self.ended[truth.ended] += 1
        if truth.late_ns is not None:
            self.late_ns.append(truth.late_ns)
        self._log.add(truth)

    # --- the rest -----------------------------------------------------------------------------------------------------
    async def _count_tokens(self, http: web.Request) -> web.Response:
        try:
            return _json({"input_tokens": asked(await http.read()).input_tokens})
        except ValueError as error:
            refusal = _ANTHROPIC.complaint(400, str(error), 0)
            return _json(refusal.body, refusal.status)

    async def _list_models(self, _: web.Request) -> web.Response:
        models = [self._model(name) for name in self._options.models]
        first, last = self._options.models[0], self._options.models[-1]
        return _json({"object": "list", "data": models, "has_more": False, "first_id": first, "last_id": last})

    async def _show_model(self, http: web.Request) -> web.Response:
        return _json(self._model(http.match_info["model"]))

    def _model(self, name: str) -> dict[str, object]:
        """In the words of both APIs at once: their names do not clash."""
        anthropic = {"type": "model", "display_name": name, "created_at": self._started}
        return {"id": name, "object": "model", "created": 0, "owned_by": "loadtest"} | anthropic

    async def _not_found(self, http: web.Request) -> web.Response:
        api: Api = _ANTHROPIC if "anthropic-version" in http.headers else _OPENAI
        refusal = api.complaint(404, f"{http.method} {http.path} is not spoken by this stand-in", 0)
        return _json(refusal.body, refusal.status)


class _Play:
    """One answer, given by its schedule."""

    def __init__(
        self, http: web.Request, api: Api, reply: Reply, waits_s: tuple[float, ...], truth: Request, *, cut: bool
    ) -> None:
        self._http, self._api, self._reply, self._waits_s, self._truth = http, api, reply, waits_s, truth
        self._count = cut_after(len(reply.tokens)) if cut else len(reply.tokens)
        self._cut = cut
        self._headers = {api.id_header: api.request_id(reply.number)}

    async def stream(self) -> web.StreamResponse:
        """By server-sent events, a token each."""
        truth, api, reply = self._truth, self._api, self._reply
        response = web.StreamResponse(headers=_EVENT_STREAM | self._headers)
        truth.status = response.status
        await response.prepare(self._http)
        if opening := api.opening(reply):
            await response.write(opening)
        due_ns = before_ns = truth.received_ns
        for place, wait_s in enumerate(self._waits_s[: self._count]):
            frame = api.token(reply, reply.tokens[place])
            due_ns += round(wait_s * 1e9)
            now_ns = await self._wait_until(due_ns)
            if place == 0:
                truth.ttft_ns = now_ns - truth.received_ns
                frame = api.first(reply) + frame
            else:
                truth.gaps_ns.append(now_ns - before_ns)
            before_ns = now_ns
            await response.write(frame)
            truth.output_tokens += 1
        if self._cut:
            self._hang_up()
            return response
        await response.write(api.closing(reply))
        await response.write_eof()
        truth.ended = Ended.COMPLETE
        return response

    async def whole(self) -> web.StreamResponse:
        """In one piece, once a stream would have been over."""
        truth, reply = self._truth, self._reply
        response = _json(self._api.whole(reply), headers=self._headers)
        truth.status = response.status
        now_ns = await self._wait_until(truth.received_ns + sum(round(wait_s * 1e9) for wait_s in self._waits_s))
        if self._cut:
            self._hang_up()
            return response
        truth.ttft_ns, truth.output_tokens = now_ns - truth.received_ns, len(reply.tokens)
        await response.prepare(self._http)
        await response.write_eof()
        truth.ended = Ended.COMPLETE
        return response

    async def _wait_until(self, due_ns: int) -> int:
        """Now, once it is due; lets others have their turn even if it was due before."""
        await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        if self._http.transport is None or self._http.transport.is_closing():
            raise ConnectionResetError("the backend has gone")
        now_ns = time.monotonic_ns()
        self._truth.late_ns = max(self._truth.late_ns or 0, now_ns - due_ns)
        return now_ns

    def _hang_up(self) -> None:
        self._truth.ended = Ended.CUT
        if self._http.transport is not None:
            self._http.transport.close()


def _reply(number: int, wanted: Asked, tokens: tuple[str, ...]) -> Reply:
    most = len(tokens) if wanted.most_tokens is None else wanted.most_tokens
    return Reply(
        number=number,
        model=wanted.model,
        created_s=int(time.time()),
        tokens=tokens[:most],
        input_tokens=wanted.input_tokens,
        cut_off=most < len(tokens),
        usage_wanted=wanted.stream_options is not None and wanted.stream_options.include_usage,
    )


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json")
