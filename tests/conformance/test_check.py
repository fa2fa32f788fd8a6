"""`loadtest check` against the reference server: clean, in every variant, and with each fault that it can be told."""

import json
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from check_stage import RATE, SECRET, checked, seen, serving, verdicts
from real_servers import behaving
from websockets.exceptions import ConnectionClosed

from loadtest.analysis.limits.limiter import FoundKind, Scope
from loadtest.client.tokens import MintedTokens
from loadtest.conformance.check import Asked, Checker
from loadtest.conformance.checklist import GROUPS, ITEMS, TITLES, Findings, chosen
from loadtest.errors import UsageError
from loadtest.load.people import People
from loadtest.protocol import CONTENT_MAX
from loadtest.server.faults.orders import order
from loadtest.server.limiter import LimiterKind as Kept
from loadtest.server.limiter import LimitScope
from loadtest.server.streams import StreamIds
from loadtest.settings import Rate, settings

NOT_OF_A_SERVER = {"auto-scroll", "internal-error"}


@pytest.fixture(scope="module")
def served():
    with serving() as server:
        yield server


# --- where it writes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "conversation"),
    [
        ({"conversation": "of-{userId}-{n}", "user": 3}, "of-load-3-3"),
        ({"conversation": "conv-{n}"}, "conv-0"),
        ({"conversations_file": "ids", "user": 1}, "second"),
    ],
    ids=["template", "by number", "file"],
)
def test_it_writes_where_a_run_would(tmp_path, options, conversation):
    (tmp_path / "ids").write_text("first\nsecond\n")
    if "conversations_file" in options:
        options = options | {"conversations_file": str(tmp_path / "ids")}
    heard = set()

    def welcome(connection):
        connection.send(json.dumps({"type": "connection:authenticated"}))
        for raw in connection:
            heard.add(json.loads(raw).get("conversationId"))

    with behaving(welcome) as port:
        checked(f"ws://127.0.0.1:{port}/ws", "acks", reply_timeout="100ms", **options)
    assert heard == {conversation, f"{conversation}-elsewhere"}, "and where its outsider is"


# --- the clean server ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def clean(served):
    return checked(served.url)


def test_the_clean_server_conforms_in_everything_that_can_be_tested(clean):
    found = verdicts(clean)
    assert {id_ for id_, verdict in found.items() if verdict != "conforms"} == NOT_OF_A_SERVER, seen(clean)
    assert not clean.failed


def test_every_item_of_the_guides_checklist_is_there(clean):
    assert len(ITEMS) == 11 + 1
    assert [case.id for case in clean.cases] == list(TITLES)
    assert {case.item for case in clean.cases} == {item.title for item in ITEMS}
    assert clean.cases[0].number == "1.1"
    assert clean.cases[-1].number == "12.10"


def test_it_takes_a_second_message_of_the_same_id_for_another(clean):
    assert seen(clean)["same-id-twice"] == "acked and broadcast as any other"


def test_its_limit_is_recognized(clean):
    limiter = clean.limiter
    assert (limiter.kind, limiter.limit, limiter.window_s, limiter.scope) == (FoundKind.FIXED, 10, 2.0, Scope.USER)


def test_the_quick_set_takes_less_than_20_s(clean):
    assert clean.took_s < 20


# --- its variants ----------------------------------------------------------------------------------------------------
def test_another_servers_choices_are_told_and_are_no_failure():
    with serving(limiter=Kept.SLIDING, stream_ids=StreamIds.SAME, refusal=401) as server:
        found = checked(server.url, "limiter", "tokens", "streams")
    assert not found.failed, seen(found)
    differing = {id_: told for id_, told in seen(found).items() if verdicts(found)[id_] == "differs"}
    assert differing == {
        "refusal": "by HTTP 401",
        "stream-ids": "the messageId itself",
        "limiter-kind": "a sliding log",
    }
    assert (found.limiter.kind, found.limiter.window_s) == (FoundKind.SLIDING, 2.0)


def test_a_bucket_random_ids_and_a_close_code_of_its_own():
    with serving(limiter=Kept.BUCKET, stream_ids=StreamIds.RANDOM, refusal=4001) as server:
        found = checked(server.url, "limiter", "tokens", "streams")
    assert not found.failed, seen(found)
    told = seen(found)
    assert told["refusal"] == "by close 4001"
    assert told["stream-ids"].startswith("a new id that names no message")
    assert (found.limiter.kind, found.limiter.limit) == (FoundKind.BUCKET, 10)
    low, high = found.limiter.window_bounds_s
    assert low <= RATE.window_s <= high


def test_a_limit_for_each_connection_that_is_off_by_one_fails_twice():
    with serving(limit_scope=LimitScope.CONNECTION, rate_limit=type(RATE)(11, 2.0)) as server:
        found = checked(server.url, "limiter")
    failed = {id_ for id_, verdict in verdicts(found).items() if verdict == "fails"}
    assert failed == {"limit", "limit-scope"}
    assert (found.limiter.scope, found.limiter.limit) == (Scope.CONNECTION, 11)
    assert "--rate-limit if meant" in seen(found)["limit"]


@pytest.mark.parametrize(("declared", "verdict"), [("10/2s", "fails"), ("none", "conforms")])
def test_no_limit_and_no_answers(declared, verdict):
    with serving(rate_limit=None, answers=None) as server:
        found = checked(server.url, "limiter", "streams", rate_limit=declared, reply_timeout="500ms")
    assert found.limiter.kind is FoundKind.NONE
    assert verdicts(found)["limit"] == verdict
    assert {verdicts(found)[id_] for id_ in GROUPS["streams"] if "stream" in id_} == {"cannot be tested"}
    assert "is the AI switched off?" in seen(found)["stream"]


class Careless:
    """Asks the limit of each user, and does something with a message all the same before it rejects it.

    Args:
        wrong: from the message to a frame.
        to_others: who gets it: all other connections, or its sender.
    """

    def __init__(self, rate, wrong, to_others=False):
        self._limiter, self._lock = Kept.FIXED.of(rate), threading.Lock()
        self._wrong, self._to_others = wrong, to_others
        self._connections = []

    def __call__(self, connection):
        token = parse_qs(urlsplit(connection.request.path).query)["token"][0]
        user = jwt.decode(token, options={"verify_signature": False})["userId"]
        connection.send(GREETING)
        self._connections.append(connection)
        for raw in connection:
            message = json.loads(raw)
            ack = {"type": "message:ack", "messageId": message["messageId"], "status": "delivered"}
            with self._lock:
                wait_s = self._limiter.take(user, time.monotonic_ns())
            if wait_s:
                ack |= {"status": "error", "error": f"Rate limit exceeded. Try again in {wait_s} seconds"}
                others = [each for each in self._connections if each is not connection]
                for each in others if self._to_others else [connection]:
                    with suppress(ConnectionClosed):
                        each.send(json.dumps(self._wrong(message)))
            connection.send(json.dumps(ack))


def acked_received(message):
    return {"type": "message:ack", "messageId": message["messageId"], "status": "received"}


def broadcast(message):
    return {**message, "type": "message:receive", "userId": "somebody"}


def streamed(prefix):
    def chunk(message):
        id_ = f"{prefix}{message['messageId']}"
        return {"type": "message:stream", "messageId": id_, "content": "Hm.", "isComplete": True}

    return chunk


@pytest.mark.parametrize(
    ("wrong", "to_others", "told"),
    [
        (acked_received, False, 'ack received, and then ack error "Rate limit exceeded'),
        (broadcast, True, "and yet it was broadcast to another user"),
        (broadcast, False, "and yet it was broadcast to its own user"),
        (streamed("ai-"), False, "and yet a stream that answers it came to its own user"),
        (streamed(""), True, "and yet a stream that answers it came to another user"),
    ],
    ids=["acked received", "broadcast", "echoed", "answered", "answered at the others"],
)
def test_a_rejected_message_gets_its_rejection_and_nothing_else(wrong, to_others, told):
    """And that is heard in the quick set, too, which has no time for the window."""
    with behaving(Careless(Rate(10, 60.0), wrong, to_others)) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "limiter", "valid-token", rate_limit="10/60s")
    failed = {id_ for id_, verdict in verdicts(found).items() if verdict == "fails"}
    assert failed == {"limit-answer"}, seen(found)
    assert seen(found)["limit"] == "10 admitted, the next rejected"
    assert told in seen(found)["limit-answer"]


@pytest.mark.parametrize("scope", list(LimitScope))
def test_a_bucket_that_gets_tokens_while_it_is_emptied_is_found_in_its_true_size(scope):
    """A hundred messages of 2 ms each take two tokens' time."""
    rate, costly = Rate(100, 10.0), (order("cpu:2ms"),)
    with serving(rate_limit=rate, limiter=Kept.BUCKET, limit_scope=scope, answers=None, faults=costly) as server:
        found = checked(server.url, "limiter", rate_limit="100/10s")
    limiter, (least, most) = found.limiter, found.limiter.window_bounds_s
    assert (limiter.kind, limiter.scope.value) == (FoundKind.BUCKET, scope.value)
    assert limiter.limit_bounds[0] <= 100 <= limiter.limit_bounds[1], limiter
    assert least <= 10.0 <= most, limiter
    assert verdicts(found)["limit"] == "conforms", seen(found)


def test_a_promise_that_is_far_too_short_fails_in_the_quick_set():
    with serving(rate_limit=Rate(10, 60.0), faults=(order("limit-mistime:-58s"),)) as server:
        found = checked(server.url, rate_limit="10/60s")
    assert verdicts(found)["limit-promise"] == "fails", seen(found)
    assert seen(found)["limit-promise"].startswith("promised 2 s, rejected after ")
    assert (found.limiter.limit, found.limiter.window_s) == (10, None)


@pytest.mark.parametrize(
    ("full", "promise", "kind"),
    [
        (False, "its kind is not looked into, which would take 8 s: --full", "unclear"),
        (True, "promised 7 s, it was ", "fixed"),
    ],
)
def test_the_full_set_waits_for_windows_that_the_quick_one_has_no_time_for(full, promise, kind):
    """A window of 2 s, of which the server says 7."""
    with serving(faults=(order("limit-mistime:+5s"),)) as server:
        found = checked(server.url, "limiter", "valid-token", full=full)
    assert (seen(found)["limit-promise"].startswith(promise), found.limiter.kind) == (True, kind), seen(found)


def test_what_a_burst_shows_stands_though_there_is_no_time_for_the_rest(served, monkeypatch):
    monkeypatch.setattr("loadtest.conformance.check.FULL_S", 0.5)
    found = checked(served.url, "limiter")
    assert seen(found)["limit"] == "10 admitted, the next rejected"
    assert seen(found)["limit-promise"] == "there was no time to watch it any longer"


@pytest.mark.parametrize(
    "refusal",
    [
        {"type": "message:error", "error": "RateLimit hit"},
        {"type": "connection:error", "code": "RATE_LIMIT", "message": "slow down"},
    ],
    ids=["in other words", "by its code"],
)
def test_a_rejection_in_place_of_an_answer_leaves_a_case_untested(refusal):
    def handle(connection):
        connection.send(GREETING)
        for _ in connection:
            connection.send(json.dumps(refusal))

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "messages")
    for case in (
        "one-character",
        "longest-content",
        "no-timestamp",
        "early-message",
        "missing-fields",
        "invalid-message",
    ):
        assert verdicts(found)[case] == "cannot be tested", seen(found)[case]


def keep_to_the_guide(connection, refuse):
    """Ack each message that the guide allows, and refuse the others."""
    for raw in connection:
        said = json.loads(raw)
        units = len(said.get("content", "").encode("utf-16-le")) // 2
        if said.get("messageId") and said.get("conversationId") and 0 < units <= CONTENT_MAX:
            ack = {"type": "message:ack", "messageId": said["messageId"], "status": "delivered"}
            connection.send(json.dumps(ack))
        else:
            refuse(connection, said)


def tell_so(connection, _said):
    connection.send(json.dumps({"type": "message:error", "message": "not like that"}))


@pytest.mark.parametrize(
    ("refuse", "told"),
    [
        (lambda connection: connection.send(NOT_YET), 'connection:error AUTH_REQUIRED "not yet"'),
        (lambda connection: connection.close(1008, "not yet"), "closed 1008 not yet"),
    ],
    ids=["by an error", "by a close"],
)
def test_a_server_that_refuses_an_early_message_is_looked_at_in_all_other_cases(refuse, told):
    def handle(connection):
        with suppress(TimeoutError):
            connection.recv(timeout=0.05)  # as long as somebody is asked about the token
            refuse(connection)
            return
        connection.send(GREETING)
        keep_to_the_guide(connection, tell_so)

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "messages")
    assert seen(found)["early-message"] == told
    assert verdicts(found) == dict.fromkeys(GROUPS["messages"], "conforms") | {"early-message": "differs"}, seen(found)


def hang_up(connection, said):
    connection.close(1009 if said.get("content") else 1007, "no")


def test_a_close_in_place_of_a_refusal_differs_and_costs_no_other_case():
    def handle(connection):
        connection.send(GREETING)
        keep_to_the_guide(connection, hang_up)

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "messages")
    told = seen(found)
    differing = dict.fromkeys(("empty-content", "too-long-content", "missing-fields", "invalid-message"), "differs")
    assert verdicts(found) == dict.fromkeys(GROUPS["messages"], "conforms") | differing, told
    assert told["too-long-content"] == "closed 1009 no: it costs the connection"
    assert told["invalid-message"] == "close 1007, close 1009"


def test_a_server_that_takes_no_long_frame_fails_where_the_guide_allows_it_and_nowhere_else():
    def handle(connection):
        connection.send(GREETING)
        keep_to_the_guide(connection, tell_so)

    with behaving(handle, max_size=9_000) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "messages")
    told = seen(found)
    assert {id_ for id_, verdict in verdicts(found).items() if verdict == "fails"} == {"longest-content"}, told
    assert told["longest-content"].startswith("closed 1009")
    assert told["length-unit"].startswith("bytes of UTF-8")


def test_a_second_message_of_the_same_id_that_is_acked_and_not_broadcast_differs():
    def handle(connection):
        connection.send(GREETING)
        known = set()
        for raw in connection:
            said = json.loads(raw)
            id_ = said.get("messageId", "")
            connection.send(json.dumps({"type": "message:ack", "messageId": id_, "status": "delivered"}))
            if id_ not in known:
                known.add(id_)
                connection.send(json.dumps(broadcast(said)))

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "same-id-twice")
    assert verdicts(found) == {"same-id-twice": "differs"}
    assert seen(found) == {"same-id-twice": "acked as any other, but not broadcast again"}


def test_a_slow_ack_of_an_early_message_is_waited_for():
    delays = iter([0.7])

    def handle(connection):
        connection.send(GREETING)
        for raw in connection:
            time.sleep(next(delays, 0))
            id_ = json.loads(raw).get("messageId", "")
            connection.send(json.dumps({"type": "message:ack", "messageId": id_, "status": "delivered"}))

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", "early-message", reply_timeout="2s")
    assert verdicts(found)["early-message"] == "conforms", seen(found)


def test_a_small_limit_that_meets_the_queue_is_no_fault_of_it():
    with serving(rate_limit=Rate(2, 60.0)) as server:
        found = checked(server.url, "reconnection", rate_limit="2/60s", message_rate="1/60s")
    assert (verdicts(found)["queue"], seen(found)["queue"]) == ("cannot be tested", "the rate limit came first")


# --- each fault ------------------------------------------------------------------------------------------------------
FAULTS = {
    "ack-drop": "acks",
    "ack-double": "acks",
    "ack-reorder": "acks",
    "ack-error": "acks",
    "ack-late:2s": "acks",
    "stream-truncate": "stream",
    "stream-error": "stream",
    "stream-cut": "stream",
    "stream-repeat": "cumulative",
    "stream-shrink": "cumulative",
    "stream-rewrite": "cumulative",
    "stream-reorder": "cumulative",
    "stream-unknown": "cumulative",
    "stream-after": "cumulative",
    "stream-complete-twice": "cumulative",
    "stream-delta": "cumulative",
    "broadcast-withhold": "broadcast",
    "broadcast-double": "broadcast",
    "broadcast-alter": "broadcast",
    "broadcast-misname": "broadcast",
    "broadcast-late:3s": "broadcast",
    "broadcast-leak": "no-leak",
    "limit-leak": "limit",
    "limit-false:every=5": "limit",
    "limit-mistime:+3s": "limit-promise",
    "limit-mistime:-1s": "limit-promise",
}


@pytest.mark.parametrize(("fault", "case"), FAULTS.items())
def test_a_fault_fails_its_case(served, fault, case):
    group = next(name for name, ids in GROUPS.items() if case in ids)
    served.order(fault)
    try:
        found = checked(served.url, group, reply_timeout="500ms")
    finally:
        served.clear()
    assert verdicts(found)[case] == "fails", seen(found)
    assert found.failed


def test_a_bad_token_that_is_let_in_is_an_alarm(served):
    served.order("auth-let-in")
    try:
        found = checked(served.url, "tokens")
    finally:
        served.clear()
    assert {verdicts(found)[id_] for id_ in GROUPS["tokens"] if id_.endswith(("token", "signature"))} == {"fails"}
    assert all("ALARM: it was LET IN" in told for id_, told in seen(found).items() if id_ != "refusal")


def test_a_stream_that_is_missing_fails_where_one_is_expected(served):
    served.order("stream-missing")
    try:
        found = checked(served.url, "streams", expect_stream="yes", reply_timeout="500ms")
    finally:
        served.clear()
    assert verdicts(found)["stream"] == "fails"


# --- what is asked ---------------------------------------------------------------------------------------------------
def test_tokens_of_a_file_are_shared_and_an_expired_one_cannot_be_made(served, tmp_path):
    from loadtest.server.auth import issue  # noqa: PLC0415

    file = tmp_path / "tokens"
    file.write_text(
        "\n".join(issue(f"of-a-file-{number}", "a secret of the tests, long enough for HS256") for number in range(3))
    )
    found = checked(served.url, "tokens", "errors", "limiter", jwt_secret=None, tokens_file=str(file))
    assert not found.failed, seen(found)
    assert seen(found)["expired-token"] == "--tokens-file brings no key to sign an expired token with"
    assert seen(found)["limit"] == "it takes 4 users, and --tokens-file has 3; try --only limiter"


NOT_YET = json.dumps({"type": "connection:error", "code": "AUTH_REQUIRED", "message": "not yet"})
GREETING = json.dumps({"type": "connection:authenticated", "connectionId": "one"})
BAD_FRAMES = (
    "\x1b[31m{",
    b"\x00",
    json.dumps({"type": "message:ack", "messageId": 5}),
    json.dumps({"type": "\x1b]0;x"}),
)


@pytest.mark.parametrize("closes", [False, True], ids=["sends garbage", "closes"])
def test_a_hostile_server_costs_verdicts_and_nothing_else(closes):
    def handle(connection):
        connection.send(GREETING)
        for _ in connection:
            if closes:
                connection.close(1011, "\x1b[2J")
            else:
                for frame in BAD_FRAMES:
                    connection.send(frame)

    with behaving(handle) as port:
        found = checked(f"ws://127.0.0.1:{port}/ws", reply_timeout="200ms")
    assert [case.id for case in found.cases] == list(TITLES)
    assert verdicts(found)["acks"] == "fails"
    assert not any("\x1b" in told or "an error of ours" in told for told in seen(found).values()), seen(found)


def test_an_error_of_ours_is_told_in_its_own_words(served, capfd):
    class Forgetful(MintedTokens):
        """Has a token for the one that knocks, and none after that."""

        _asked = 0

        def token(self, number):
            self._asked += 1
            if self._asked > 1:
                raise RuntimeError("lost the key")
            return super().token(number)

    class Somebody(People):
        def tokens(self, _number, _log_in):
            return Forgetful(SECRET)

    chosen = settings({"jwt_secret": SECRET, "rate_limit": "10/2s", "reply_timeout": "1s"})
    found = Checker(Asked(host=served.url, only=["typing"]), chosen, Somebody(chosen)).run()
    assert "an error of ours: RuntimeError; please report it" in seen(found)["typing-start"]
    assert "typing: RuntimeError: lost the key" in capfd.readouterr().err.splitlines()


def test_nobody_listens_is_one_line():
    with pytest.raises(UsageError, match=r"--host: nobody listens at ws://127.0.0.1:1/ws"):
        checked("ws://127.0.0.1:1/ws")


def test_a_refused_good_token_is_the_persons_mistake(served):
    with pytest.raises(UsageError, match=r"--jwt-secret: .* refused the token with AUTH_FAILED"):
        checked(served.url, jwt_secret="another secret, as long as HS256 wants it")


@pytest.mark.parametrize(
    ("names", "expected"), [((), set(TITLES)), (("limiter",), set(GROUPS["limiter"])), (("acks",), {"acks"})]
)
def test_cases_are_named_by_themselves_or_by_their_group(names, expected):
    assert chosen(names) == expected


def test_a_case_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="--only: there is no case 'acs'; give one of connection, tokens"):
        chosen(["acs"])


def test_each_case_belongs_to_one_group():
    assert sorted(id_ for ids in GROUPS.values() for id_ in ids) == sorted(TITLES)


def test_what_is_not_reached_says_so():
    (case,) = Findings().cases(frozenset({"acks"}))
    assert (case.number, case.verdict, case.seen) == ("3.1", "cannot be tested", "it was not reached")
