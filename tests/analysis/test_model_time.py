"""What of a time to first token was the model's, with literal instants (here in units of 1 ns)."""

import numpy as np

from loadtest.analysis.standin import model_time
from loadtest.runs.columns import MISSING
from loadtest.runs.standin import ModelRequest


def request(message_id, received, ttft=None, until=None, **more):
    """One that was answered, with a time to first token, or refused."""
    how = {"ended": "complete", "status": 200} if ttft else {"ended": "error", "status": 429}
    return ModelRequest(received, until or received + 90, message_id=message_id, ttft_ns=ttft, **(how | more))


def share(*requests):
    """The model's share of the time to first token of message `m`, which got one."""
    found = model_time(["m"], np.array([999]), requests)
    return found.share_ns.tolist(), found.matches


def test_the_share_is_the_time_to_first_token_of_the_one_request():
    assert share(request("m", 100, ttft=40)) == ([40], {"matched": 1})


def test_tries_before_count_and_the_pauses_between_them_do_not():
    tries = request("m", 100, until=110), request("m", 200, until=205), request("m", 300, ttft=40)
    assert share(*tries) == ([55], {"matched": 1})


def test_requests_side_by_side_count_once():
    assert share(request("m", 100, until=120), request("m", 110, ttft=40)) == ([50], {"matched": 1})
    assert share(request("m", 100, ttft=40), request("m", 110, until=500)) == ([40], {"matched": 1})


def test_what_comes_after_the_first_token_counts_for_nothing():
    assert share(request("m", 100, ttft=40), request("m", 400, until=500)) == ([40], {"matched": 1})


def test_of_two_answers_it_is_not_known_which_the_user_saw():
    assert share(request("m", 100, ttft=40), request("m", 200, ttft=30)) == ([MISSING], {"with several answers": 1})


def test_a_message_without_a_request_or_with_failed_ones_only_has_no_share():
    assert share(request("n", 100, ttft=40)) == ([MISSING], {"without a request": 1})
    assert share(request("m", 100)) == ([MISSING], {"without a request": 1})


def test_messages_that_never_got_a_token_are_not_counted_and_requests_are_counted_by_their_end():
    cut, wrong = request("b", 2, ttft=6, ended="cut"), request(None, 9, status=500)
    requests = [request("a", 1, ttft=5), cut, request("b", 9), wrong]
    found = model_time(["a", "b", "c"], np.array([50, MISSING, MISSING]), requests)
    assert found.share_ns.tolist() == [5, MISSING, MISSING]
    assert found.matches == {"matched": 1}
    assert found.requests == {"complete": 1, "cut": 1, "error 429": 1, "error 500": 1}
