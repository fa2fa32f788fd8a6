"""The stand-in, spoken to by the providers' own Python SDKs: what a backend would see."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from model_stage import Model, StartModel

from loadtest.server.answers import AnswerStyle

NAMED = "please answer [msg-1763000000000-k3fab12cd]"
ANSWER_OF_FIVE = "you it ask then you"


def claude(model: Model, retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=model.url, api_key="none", max_retries=retries)


def gpt(model: Model, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{model.url}/v1", api_key="none", max_retries=retries)


def ask_claude(client: anthropic.Anthropic, **more: Any) -> Any:
    asked = {"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": NAMED}]}
    return client.messages.create(**(asked | more))  # type: ignore[call-overload]


def ask_gpt(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(
        **({"model": "gpt-x", "messages": [{"role": "user", "content": NAMED}]} | more)
    )


def test_anthropic_streams_an_answer_token_by_token(start_model: StartModel) -> None:
    model = start_model()
    with (
        claude(model) as client,
        client.messages.stream(
            model="claude-x", max_tokens=100, messages=[{"role": "user", "content": NAMED}]
        ) as stream,
    ):
        tokens = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(tokens) == message.content[0].text  # type: ignore[union-attr]
    assert len(tokens) == 5
    assert (message.model, message.stop_reason) == ("claude-x", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 5)


def test_anthropic_answers_at_once_where_nothing_is_to_be_streamed(start_model: StartModel) -> None:
    with claude(start_model()) as client:
        message = ask_claude(client, max_tokens=2, system="be brief")
    assert len(message.content[0].text.split()) == 2
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("max_tokens", 5, 2)
    assert message._request_id == "req_000000000000000000000001"


def test_anthropic_lists_models_and_counts_tokens(start_model: StartModel) -> None:
    with claude(start_model(models=("claude-x", "claude-y"))) as client:
        assert [model.id for model in client.models.list()] == ["claude-x", "claude-y"]
        assert client.models.retrieve("claude-y").display_name == "claude-y"
        counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "one two three"}])
        assert counted.input_tokens == 3


def test_openai_streams_an_answer_token_by_token_and_its_usage_where_asked(start_model: StartModel) -> None:
    with gpt(start_model()) as client:
        chunks = list(ask_gpt(client, stream=True, stream_options={"include_usage": True}))
    tokens = [chunk.choices[0].delta.content for chunk in chunks[:-1] if chunk.choices[0].delta.content]
    assert len(tokens) == 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 5, 8)


def test_openai_answers_at_once_where_nothing_is_to_be_streamed(start_model: StartModel) -> None:
    with gpt(start_model()) as client:
        completion = ask_gpt(client, max_completion_tokens=2)
    assert len(completion.choices[0].message.content.split()) == 2
    assert (completion.choices[0].finish_reason, completion.usage.completion_tokens) == ("length", 2)


def test_openai_lists_models(start_model: StartModel) -> None:
    with gpt(start_model(models=("gpt-x", "org/gpt-y"))) as client:
        assert [model.id for model in client.models.list()] == ["gpt-x", "org/gpt-y"]
        assert client.models.retrieve("org/gpt-y").owned_by == "loadtest"


@pytest.mark.parametrize(
    ("trouble", "kind", "word"),
    [
        ("429=100%", "RateLimitError", "rate_limit_error"),
        ("500=100%", "InternalServerError", "api_error"),
        ("529=100%", "OverloadedError", "overloaded_error"),
    ],
)
def test_anthropic_errors_are_those_of_the_sdk(start_model: StartModel, trouble: str, kind: str, word: str) -> None:
    model = start_model(trouble)
    with claude(model) as client, pytest.raises(anthropic.APIStatusError) as caught:
        ask_claude(client, stream=True)
    assert type(caught.value).__name__ in (kind, "InternalServerError")
    assert caught.value.status_code == int(trouble[:3])
    assert caught.value.body["error"]["type"] == word  # type: ignore[index]
    (request,) = model.requests(1)
    assert (request.status, request.ended, request.ttft_ns) == (int(trouble[:3]), "error", None)


@pytest.mark.parametrize(
    ("trouble", "kind", "status", "code"),
    [
        ("429=100%", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("500=100%", openai.InternalServerError, 500, None),
        ("529=100%", openai.InternalServerError, 503, None),
    ],
)
def test_openai_errors_are_those_of_the_sdk(
    start_model: StartModel, trouble: str, kind: type[openai.APIStatusError], status: int, code: str | None
) -> None:
    with gpt(start_model(trouble)) as client, pytest.raises(kind) as caught:
        ask_gpt(client, stream=True)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_an_sdk_tries_again_as_soon_as_a_429_allows(start_model: StartModel) -> None:
    model = start_model("429=100%", retry_after_s=0.01)
    with claude(model, retries=2) as client, pytest.raises(anthropic.RateLimitError) as caught:
        ask_claude(client)
    assert caught.value.response.headers["retry-after"] == "0.01"
    assert [request.message_id for request in model.requests(3)] == ["msg-1763000000000-k3fab12cd"] * 3


def test_a_cut_stream_ends_in_its_middle_and_is_an_error_to_the_sdks(start_model: StartModel) -> None:
    model = start_model("cut=100%", answers=AnswerStyle(ttft_s=0.005, gap_s=0.001, chunks=8))
    with claude(model) as client, pytest.raises(Exception, match="peer closed"):
        list(ask_claude(client, stream=True))
    with gpt(model) as client, pytest.raises(openai.APIConnectionError):
        list(ask_gpt(client, stream=True))
    for request in model.requests(2):
        assert (request.ended, request.output_tokens, request.status) == ("cut", 4, 200)


def test_a_cut_of_what_is_not_streamed_leaves_no_answer(start_model: StartModel) -> None:
    model = start_model("cut=100%")
    with gpt(model) as client, pytest.raises(openai.APIConnectionError):
        ask_gpt(client)
    (request,) = model.requests(1)
    assert (request.ended, request.ttft_ns) == ("cut", None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"messages": []}, "at least one message"), ({"max_tokens": 0}, "max_tokens"), ({"model": 5}, "Expected `str`")],
)
def test_what_is_wrong_with_a_request_is_said(start_model: StartModel, asked: dict[str, Any], said: str) -> None:
    model = start_model()
    with claude(model) as client, pytest.raises(anthropic.BadRequestError, match=said):
        ask_claude(client, **asked)
    with gpt(model) as client, pytest.raises(openai.BadRequestError, match=said):
        ask_gpt(client, **asked)


def test_what_the_stand_in_does_not_speak_is_not_found(start_model: StartModel) -> None:
    model = start_model()
    with gpt(model) as client, pytest.raises(openai.NotFoundError, match="not spoken"):
        client.embeddings.create(model="m", input="text")
    with claude(model) as client, pytest.raises(anthropic.NotFoundError, match="not spoken"):
        client.messages.batches.list()
