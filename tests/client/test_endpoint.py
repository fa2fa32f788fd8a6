"""What a connection says of itself at the upgrade."""

import re

import pytest
from link_stage import Counts

from loadtest import __version__
from loadtest.client.endpoint import Credentials, Endpoint, credentials, new_protocol, new_trace_id, upgrade_request
from loadtest.settings import Address, Header

NOTHING = Credentials()


def endpoint(**options):
    return Endpoint(**{"url": "wss://chat.example.com/ws", "connect_timeout_s": 1.0, "max_frame_size": 100} | options)


def request(shown=NOTHING, **options):
    """The path and headers of the request, but the key, which is drawn."""
    where = endpoint(**options)
    made = upgrade_request(new_protocol(where, shown, Counts()), where, shown)
    return made.path, {name: made.headers.get_all(name) for name in made.headers if name != "sec-websocket-key"}


def test_a_plain_request_is_a_browsers_but_for_its_name():
    path, headers = request(credentials("a/b.c"))
    assert path == "/ws?token=a%2Fb.c"
    assert headers == {
        "host": ["chat.example.com"],
        "upgrade": ["websocket"],
        "connection": ["Upgrade"],
        "sec-websocket-version": ["13"],
        "sec-websocket-extensions": ["permessage-deflate; client_max_window_bits"],
        "user-agent": [f"chat-loadtest/{__version__}"],
    }


def test_what_the_options_and_the_user_add_goes_along():
    shown = Credentials(headers=(Header("Authorization", "Bearer t"),), subprotocols=("bearer",))
    path, headers = request(
        shown,
        origin="https://app.example.com",
        subprotocols=("chat.v2", "chat.v1"),
        headers=(Header("X-Tenant", "acme"), Header("X-Tenant", "again"), Header("user-agent", "Mozilla/5.0")),
        compression=False,
    )
    assert path == "/ws"
    assert headers["origin"] == ["https://app.example.com"]
    assert headers["sec-websocket-protocol"] == ["chat.v2, chat.v1, bearer"]
    assert headers["x-tenant"] == ["acme", "again"]
    assert headers["user-agent"] == ["Mozilla/5.0"]
    assert headers["authorization"] == ["Bearer t"]
    assert "sec-websocket-extensions" not in headers


def test_cookies_go_in_one_line():
    shown = Credentials(headers=(Header("Cookie", "sid=t"),))
    _, headers = request(shown, headers=(Header("cookie", "lb=1; a=b"), Header("Cookie", "c=d")))
    assert headers["cookie"] == ["lb=1; a=b; c=d; sid=t"]


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, Address("chat.example.com", 443)),
        ({"url": "ws://chat.example.com/ws"}, Address("chat.example.com", 80)),
        ({"url": "ws://[::1]:5000/ws"}, Address("::1", 5000)),
        ({"connect_to": Address("10.0.0.7", 8443)}, Address("10.0.0.7", 8443)),
    ],
)
def test_where_tcp_goes(options, target):
    assert endpoint(**options).target == target


def test_another_way_to_connect_changes_nothing_of_what_is_said():
    assert request(connect_to=Address("10.0.0.7", 8443)) == request()
    assert endpoint(connect_to=Address("10.0.0.7", 8443)).host == "chat.example.com"


def test_no_text_of_a_header_shows_its_value():
    shown = endpoint(headers=(Header("Authorization", "SECRET"),))
    assert "SECRET" not in f"{shown!r} {shown} {shown.headers}"


def test_a_trace_goes_along_where_there_is_one_each_request_with_a_parent_of_its_own():
    trace_id = new_trace_id()
    parents = set()
    for _ in range(2):
        (sent,) = request(Credentials(trace_id=trace_id))[1]["traceparent"]
        version, trace, parent, flags = sent.split("-")
        assert (version, trace, flags) == ("00", trace_id, "01")
        parents.add(parent)
    assert all(re.fullmatch("[0-9a-f]{16}", parent) for parent in parents)
    assert len(parents) == 2


def test_no_two_traces_are_the_same():
    assert re.fullmatch("[0-9a-f]{32}", new_trace_id())
    assert new_trace_id() != new_trace_id()
