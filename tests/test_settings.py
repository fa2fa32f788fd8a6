"""Options: what is accepted, and what is said about what is not."""

import pytest

from loadtest.settings import (
    OPTIONS,
    Address,
    Arrivals,
    ExpectStream,
    Header,
    Parameter,
    Rate,
    duration,
    flag,
    header,
    host_port,
    http_url,
    label,
    optional_rate,
    origin,
    rate,
    redacted,
    settings,
    subprotocol,
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
        (flag, "maybe", "is neither true nor false"),
        (header, "Upgrade: h2c", "Upgrade cannot be given: the upgrade sets it"),
        (header, "host: x", "host cannot be given: it is that of --host; reach it elsewhere with --connect-to"),
        (header, "Origin: x", "give it as --origin"),
        (header, "Sec-WebSocket-Protocol: x", "give it as --subprotocol"),
        (header, "Sec-WebSocket-Key: x", "the upgrade sets it"),
        (origin, "app.example.com", "is no origin: give scheme and host, as in https://app.example.com"),
        (origin, "https://app.example.com/chat", "is no origin"),
        (subprotocol, "chat v1", "is no subprotocol"),
        (host_port, "10.0.0.7", "is no address: give HOST:PORT, as in 10.0.0.7:8443"),
        (host_port, "::1", "is no address"),
        (host_port, "node:0", "is no address"),
        (host_port, "https://node:443", "is no address"),
        (ws_url, "ws://x/ws?token=abc", "leave out user, query and fragment; .* goes by --query NAME=VALUE"),
        (ws_url, "wss://a..b/ws", "is no WebSocket address"),
        (host_port, "a" * 64 + ".example.com:443", "is no address"),
        (http_url, "https://a..b/login", "is no HTTP address"),
        (http_url, "https://x//api/login", "the path begins with two slashes; leave one of them out"),
        (http_url, "https://x/connexión", "write what is not ASCII in the path and query as %XX"),
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


@pytest.mark.parametrize(
    ("name", "value", "withheld"),
    [
        ("jwt-secret", "S3CRET", True),
        ("header", ("X-Key: S3CRET",), True),
        ("login-url", "https://x/login?key=S3CRET", True),
        ("login-url", "https://x/login", False),
        ("outage-command", "curl https://x/restart?key=S3CRET", True),
        ("label", ("build=1", "see=https://x/?build=1"), False),
        ("connect-to", "127.0.0.1:5000", False),
    ],
)
def test_what_may_be_secret_is_on_no_command_line_and_in_no_file(name, value, withheld):
    (option,) = [each for each in OPTIONS if each.name == name]
    assert option.withholds(value) is withheld


@pytest.mark.parametrize("text", ["SECRET", "Bad Name: SECRET", ": SECRET", "X-Key: SECRET\x07", "Cookie: SECRÉT"])
def test_a_complaint_about_a_header_does_not_repeat_its_value(text):
    with pytest.raises(ValueError, match="header") as caught:
        header(text)
    assert "SECR" not in str(caught.value)


def test_a_header_may_hold_colons_and_commas_and_the_environment_has_one_a_line():
    assert header("Cookie: a=1; at=12:30, b") == Header("Cookie", "a=1; at=12:30, b")
    chosen = settings({"header": "X-Tenant: acme, north\nX-Key: k\n", "subprotocol": "chat.v2,chat.v1"})
    assert chosen.header == (Header("X-Tenant", "acme, north"), Header("X-Key", "k"))
    assert chosen.subprotocol == ("chat.v2", "chat.v1")


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.7:8443", ("10.0.0.7", 8443)), ("node-3:443", ("node-3", 443)), ("[::1]:5000", ("::1", 5000))],
)
def test_addresses_to_connect_to(text, address):
    assert host_port(text) == Address(*address)
    assert str(host_port(text)) == text


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
        ({"client_key": "k"}, "--client-key: belongs to a certificate; give it as --client-cert"),
        ({"insecure": "yes", "ca_file": "f"}, "--ca-file: nothing is checked against it with --insecure"),
        ({"insecure": "maybe"}, "--insecure: 'maybe' is neither true nor false"),
        ({"seed": "x"}, "--seed: 'x' is not a whole number"),
    ],
)
def test_a_wrong_option_is_named(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        settings(values)


def test_what_is_public_holds_no_secret():
    public = settings({"jwt_secret": "TOP", "header": "X-Key: TOP", "subprotocol": "a,b"}).public()
    assert {"jwt_secret", "header"}.isdisjoint(public)
    assert public["subprotocol"] == "a,b"
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


USERS = {"users_file": "u.csv", "login_url": "https://x/login"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"users_file": "u.csv"}, "--users-file: is of no use without --login-url; give the address"),
        ({"login_url": "https://x/login"}, "--login-url: is of no use without --users-file"),
        (USERS | {"refresh_url": "https://x/r"}, "--refresh-url: is of no use without --login-refresh-path"),
        (USERS | {"login_refresh_path": "r"}, "--login-refresh-path: is of no use without --refresh-url"),
        (USERS | {"jwt_key": "k.pem"}, "--users-file: cannot be combined with --jwt-key"),
        (USERS | {"login_url": "ftp://x/login"}, "--login-url: 'ftp://x/login' is no HTTP address"),
        (USERS | {"login_url": "https://me:TOP@x/login?k=TOP"}, "--login-url: 'https://x/login': leave out user"),
        (USERS | {"login_body": '{"password": TOP}'}, "--login-body: is not JSON .Expecting value at character 14.;"),
        (USERS | {"login_body": '["TOP"]'}, "--login-body: is JSON, but no object; give an object"),
        (USERS | {"login_token_path": "a..b"}, "--login-token-path: 'a..b' is no path"),
        ({"jwt_claims": '{"sub": "{n}"}'}, "--jwt-claims: are of tokens that are minted; give --jwt-secret"),
        ({"jwt_secret": "TOP", "jwt_claims": "sub={n}"}, "--jwt-claims: is not JSON"),
        ({"jwt_secret": "TOP", "jwt_claims": '{"sub": "{user}"}'}, "--jwt-claims: {user} stands for nothing there"),
        ({"jwt_secret": "TOP", "jwt_key_id": "k"}, "--jwt-key-id: is of no use without --jwt-key"),
        ({"conversation": "c", "conversations_file": "f"}, "--conversations-file: cannot be combined"),
    ],
)
def test_who_the_users_are_is_said_once_and_whole(values, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        settings(values)
    assert "TOP" not in str(caught.value)


def test_what_users_log_in_with_is_not_public():
    hidden = {"login_body": '{"password": "TOP"}', "refresh_body": '{"client_secret": "TOP"}'}
    public = settings(USERS | hidden | {"login_url": "https://x/login?key=TOP"}).public()
    assert "TOP" not in repr(public)
    assert (public["login_rate"], public["token_in"]) == ("20/1s", "query:token")
    assert public["login_url"] == "https://x/login"


def test_a_token_shares_no_header_with_another_value_but_cookies_do():
    with pytest.raises(ValueError, match="--token-in: --header gives authorization already; leave one of the two out"):
        settings({"header": "Authorization: Basic TOP", "token_in": "header:authorization"})
    settings({"header": "Cookie: lb=1", "token_in": "cookie:sid"})


def test_parameters_of_the_address_are_options_and_the_token_is_none_of_them():
    chosen = settings({"query": "v=2\nkey=a=b&c"})
    assert chosen.query == (Parameter("v", "2"), Parameter("key", "a=b&c"))
    assert "query" not in chosen.public()
    with pytest.raises(ValueError, match="--query: token is the token's") as caught:
        settings({"query": "token=TOP"})
    assert "TOP" not in str(caught.value)
    with pytest.raises(ValueError, match="--query: one of them is no parameter: give NAME=VALUE") as caught:
        settings({"query": "TOP"})
    assert "TOP" not in str(caught.value)


def test_a_trace_is_given_once():
    assert settings({"traceparent": "true"}).traceparent
    with pytest.raises(ValueError, match="--traceparent: --header gives one already; leave one of the two out"):
        settings({"traceparent": "true", "header": "Traceparent: 00-ab-cd-01"})


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            {"abuse_period": "10s", "typing_period": "10s"},
            "--typing-period: with --abuse-period nobody could tell what slows down the others; give one of the two",
        ),
        ({"abuse_period": "10s", "session_length": "1m", "away_time": "1m"}, "--abuse-period: its periods are the"),
        ({"typing_period": "10s", "session_length": "1m", "away_time": "1m"}, "--typing-period: its periods are the"),
    ],
)
def test_periods_are_of_one_kind_and_of_one_clock(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        settings(values)


def test_a_text_needs_room_for_the_id_that_the_log_of_the_model_is_matched_by():
    assert settings({"llm_log": "llm.jsonl", "message_length": "28"}).llm_log == "llm.jsonl"
    with pytest.raises(
        ValueError, match="--message-length: 27 has no room for the message's id, which --llm-log needs"
    ):
        settings({"llm_log": "llm.jsonl", "message_length": "27"})
