"""The stand-in's draws, and what it says of itself in its log."""

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPConnection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.answers import AnswerStyle, Distribution
from loadtest.standin.asked import asked
from loadtest.standin.trouble import Share, Trouble, Troubles, share

ID, OTHER_ID = "msg-1763000000000-k3fab12cd", "msg-1763000000001-zzzzzzzzz"
SPREAD = AnswerStyle(ttft_s=0.004, gap_s=0.001, chunks=4, distribution=Distribution.EXPONENTIAL, seed=7)


def ask(url, text="hi", path="/v1/messages", **more):
    body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": text}]} | more
    with urllib.request.urlopen(f"{url}{path}", json.dumps(body).encode()) as answer:
        return answer.read()


def test_a_line_has_the_true_moments_of_its_request(start_model):
    model = start_model()
    before_ns = time.monotonic_ns()
    ask(model.url, ID, stream=True)
    after_ns = time.monotonic_ns()
    (line,) = model.requests(1)
    assert (line.number, line.api, line.model, line.message_id, line.stream) == (1, "anthropic", "m", ID, True)
    assert (line.status, line.ended, line.input_tokens, line.output_tokens) == (200, "complete", 1, 5)
    assert line.planned_ttft_ns == 20_000_000
    assert line.planned_ttft_ns <= line.ttft_ns <= line.planned_ttft_ns + line.late_ns
    assert len(line.gaps_ns) == 4
    assert before_ns < line.received_ns
    assert line.received_ns + line.ttft_ns + sum(line.gaps_ns) < line.ended_ns
    assert line.received_ns + line.ttft_ns + sum(line.gaps_ns) < after_ns
    assert line.received_utc.endswith("Z")


def test_an_answer_in_one_piece_comes_when_a_stream_would_have_ended(start_model):
    model = start_model()
    ask(model.url, path="/v1/chat/completions")
    (line,) = model.requests(1)
    assert line.ttft_ns >= 20_000_000 + 4 * 2_000_000
    assert (line.gaps_ns, line.output_tokens) == ([], 5)


def test_the_nth_request_of_two_stand_ins_of_one_seed_gets_the_same_whatever_became_of_the_others(start_model):
    calm, troubled = start_model(answers=SPREAD), start_model("429=40%", answers=SPREAD)
    for model in (calm, troubled):
        for _ in range(8):
            with suppress(urllib.error.HTTPError):
                ask(model.url, stream=True)
    planned = {line.number: (line.planned_ttft_ns, line.output_tokens) for line in calm.requests(8)}
    answered = [line for line in troubled.requests(8) if line.ended == "complete"]
    assert 0 < len(answered) < 8
    assert {line.number: (line.planned_ttft_ns, line.output_tokens) for line in answered}.items() <= planned.items()
    assert len({ttft for ttft, _ in planned.values()}) == 8


def test_a_backend_that_goes_away_is_noticed(start_model):
    model = start_model(answers=AnswerStyle(ttft_s=0.001, gap_s=0.02, chunks=1000))
    connection = HTTPConnection(model.url.removeprefix("http://"))
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": ID}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = connection.getresponse()
    answer.read(1)
    answer.close()
    connection.close()
    (line,) = model.requests(1)
    assert (line.ended, line.message_id) == ("left", ID)
    assert 1 <= line.output_tokens < 1000


def test_what_is_no_json_is_refused_and_logged(start_model):
    model = start_model()
    request = urllib.request.Request(f"{model.url}/v1/messages", b"\xff{", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert json.loads(caught.value.read())["error"]["type"] == "invalid_request_error"
    (line,) = model.requests(1)
    assert (line.status, line.ended, line.message_id) == (400, "error", None)


# --- which message a request is for -----------------------------------------------------------------------------------
def turns(*messages, **more):
    body = {"model": "m", "messages": [{"role": role, "content": content} for role, content in messages]} | more
    return asked(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([("user", f"hello {ID}")], ID),
        ([("user", f"before {OTHER_ID}"), ("assistant", "yes"), ("user", f"now {ID}")], ID),
        ([("user", f"so far: {OTHER_ID}; now: {ID} Answer briefly.")], ID),
        ([("user", ID), ("assistant", OTHER_ID)], ID),
        ([("user", ID), ("user", "Here is what a search found.")], ID),
        ([("user", [{"type": "image"}, {"type": "text", "text": f"see {ID}"}])], ID),
        ([("system", ID), ("user", "hello")], None),
        ([("user", None)], None),
    ],
)
def test_a_request_is_for_the_last_message_that_the_user_names(messages, found):
    assert turns(*messages).message_id == found


def test_a_token_of_a_request_is_a_word_of_its_text():
    assert turns(("user", "one two"), ("user", [{"text": "three"}]), system=[{"text": "four five"}]).input_tokens == 5


# --- what goes wrong --------------------------------------------------------------------------------------------------
def test_shares_are_in_per_cent_or_parts():
    assert share("429=2%") == Share(Trouble.RATE_LIMIT, 0.02)
    assert share("cut=0.5") == Share(Trouble.CUT, 0.5)


@pytest.mark.parametrize("text", ["", "429", "429=", "429=x", "429=101%", "cut=-1", "404=1%", "500=nan"])
def test_what_is_no_share_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="give 429, 500, 529, cut and a share of the requests, as in 429=2%"):
        share(text)


def test_shares_of_more_than_all_are_refused():
    with pytest.raises(ValueError, match="more than 100 %"):
        Troubles([share("429=60%"), share("cut=60%")], 1)


@given(st.integers(0, 2**32))
def test_troubles_come_in_their_shares_and_the_same_for_a_seed(seed):
    shares = [share("429=20%"), share("cut=30%")]
    drawn, again = (
        [troubles.draw() for _ in range(500)] for troubles in (Troubles(shares, seed), Troubles(shares, seed))
    )
    assert drawn == again
    # six standard deviations of the binomial
    assert abs(drawn.count(Trouble.RATE_LIMIT) - 100) < 54
    assert abs(drawn.count(Trouble.CUT) - 150) < 62
    assert abs(drawn.count(None) - 250) < 68
