"""Options: what is accepted, and what is said about what is not."""

import pytest

from loadtest.settings import (
    OPTIONS,
    Arrivals,
    ExpectStream,
    Rate,
    duration,
    label,
    optional_rate,
    rate,
    redacted,
    settings,
    weights,
    ws_url,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("200ms", 0.2), ("2h", 7200.0)]
)
def test_durations(text, seconds):
    assert duration(text) == pytest.approx(seconds)


def test_rates():
    assert rate("10/60s") == Rate(10, 60.0)
    assert rate("10/1m").per_second == pytest.approx(1 / 6)
    assert str(Rate(10, 60.0)) == "10/60s"
    assert optional_rate("none") is None


@pytest.mark.parametrize(
    ("parse", "text", "complaint"),
    [
        (duration, "soon", "'soon' is no duration"),
        (duration, "-3s", "is no duration"),
        (rate, "10", "is no rate: give messages/window, as in 10/60s"),
        (rate, "0/60s", "is no rate"),
        (rate, "10/0s", "'0s' is not above 0"),
        (label, "abc", "is no label: give key=value"),
        (label, "build=\x1b[31m", "characters that cannot be printed"),
        (weights, "A=-1", "is no weight"),
        (weights, "A", "is no weight"),
        (ws_url, "http://x/ws", "is no WebSocket address"),
        (ws_url, "localhost:5000", "is no WebSocket address"),
        (ws_url, "ws://x:99999/ws", "has no valid port"),
        (ws_url, "ws://x:5000/ws junk", "holds blanks"),
        (ws_url, "ws://x/ws?token=abc", "leave out user, query and fragment"),
    ],
)
def test_bad_values_say_what_was_wrong_and_what_to_give(parse, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_a_complaint_about_an_address_does_not_repeat_its_token():
    with pytest.raises(ValueError, match="leave out") as caught:
        ws_url("ws://x/ws?token=SECRET")
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ValueError, match="no valid port") as caught:
        ws_url("ws://me:SECRET@x:port/ws?token=SECRET")
    assert "SECRET" not in str(caught.value)
    assert redacted("wss://me:pw@x/ws?token=SECRET#y") == "wss://x/ws"


def test_defaults_are_those_of_the_contract():
    chosen = settings({})
    assert (chosen.rate_limit, chosen.message_rate) == (Rate(10, 60.0), Rate(8, 60.0))
    assert (chosen.results, chosen.reply_timeout, chosen.expect_stream) == ("results", 30.0, ExpectStream.AUTO)
    assert (chosen.warmup, chosen.label, chosen.arrivals) == (None, {}, Arrivals.POISSON)


def test_values_come_as_text_or_parsed_and_labels_repeat():
    chosen = settings({"label": "build=abc,night=1", "warmup": "0", "rate_limit": "none"})
    assert (chosen.label, chosen.warmup, chosen.rate_limit) == ({"build": "abc", "night": "1"}, 0.0, None)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"message_rate": "11/60s"}, "--message-rate: 11/60s is above --rate-limit 10/60s"),
        ({"jwt_secret": "s", "tokens_file": "f"}, "--tokens-file: cannot be combined with --jwt-secret"),
        ({"reply_timeout": "0"}, "--reply-timeout: '0' is not above 0"),
        ({"seed": "x"}, "--seed: 'x' is not a whole number"),
    ],
)
def test_a_wrong_option_is_named(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        settings(values)


def test_what_is_public_holds_no_secret():
    public = settings({"jwt_secret": "TOP"}).public()
    assert "jwt_secret" not in public
    assert "TOP" not in repr(public)


def test_every_option_has_its_environment_variable():
    assert {option.env for option in OPTIONS} >= {
        "LOADTEST_JWT_SECRET",
        "LOADTEST_TOKENS_FILE",
        "LOADTEST_RESULTS",
        "LOADTEST_WARMUP",
        "LOADTEST_LABEL",
        "LOADTEST_RATE_LIMIT",
        "LOADTEST_MESSAGE_RATE",
        "LOADTEST_REPLY_TIMEOUT",
        "LOADTEST_SEED",
    }
