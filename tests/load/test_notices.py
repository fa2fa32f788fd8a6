"""Classic mistakes are noticed while a run goes on, and a sound run hears nothing."""

import json

import pytest
from locust_command import locust
from msgspec import structs
from staged_run import MS, PREFLIGHT, SECOND, answered, message

from loadtest.load.notices import Facts, Notices
from loadtest.model import Batch, Connect, Count, Disconnect, Health, Outcome, Population, StreamState

FACTS = Facts("ws://127.0.0.1:5000/ws", 10, True, 30.0)


def connect(user, at_s=0.0, outcome="ok", reconnect=False, user_class="WithinLimitUser"):
    at = round(at_s * SECOND)
    return Connect(user, user_class, at, outcome, reconnect, authenticated_ns=at + MS if outcome == "ok" else None)


def connected(users, at_s=0.0):
    return [connect(f"load-{n}", at_s) for n in range(users)]


def health(connections, process="local"):
    return Health(process, SECOND, SECOND, connections, connections, 0, 0, 0, 0, 0, 0)


def ended(user, at_s, code=1006, by="server", quiet_s=0.0):
    return Disconnect(user, "WithinLimitUser", round(at_s * SECOND), code, "", by, quiet_ns=round(quiet_s * SECOND))


def delivered(number, user, conversation, at_s):
    at = round(at_s * SECOND)
    return structs.replace(
        answered(number, 0, 5), user=user, conversation=conversation, sent_ns=at, delivered_ns=at + MS
    )


def unanswered(number):
    return answered(number, 0, 5, stream_state=StreamState.NOT_EXPECTED, chunks=0, chars=0, completed_ns=None,
                    first_content_ns=None, last_content_ns=None)  # fmt: skip


def failed(outcome, reason=None, of=5, population=Population.HEADLINE):
    return [message(n, n, outcome, population, reason=reason) for n in range(of)]


def noticed(*batches, facts=FACTS, process="local"):
    notices = Notices(facts)
    return [text for number, more in enumerate(batches) for text in notices.see(Batch(process, number, **more))]


def the_one(notices):
    (text,) = notices
    assert "\n" not in text
    return text


# --- connections -----------------------------------------------------------------------------------------------------
def test_all_connections_refused():
    preflight = connect(PREFLIGHT, user_class=PREFLIGHT)
    refused = [connect(f"load-{n}", outcome="AUTH_FAILED") for n in range(5)]
    text = the_one(noticed({"connects": [preflight, *refused]}))
    assert text.startswith(
        "no user is connected, 5 of 5 attempts ended with AUTH_FAILED: a wrong secret, or other claims"
    )
    assert "--jwt-secret" in text
    assert "--tokens-file" in text
    assert "`loadtest chat --host ws://127.0.0.1:5000/ws`" in text


def test_other_failures_to_connect_are_named():
    refused = [connect(f"load-{n}", outcome="http 503") for n in range(5)]
    assert "5 of 5 attempts ended with http 503" in the_one(noticed({"connects": refused}))


def test_a_refusal_among_others_is_not_all_of_them():
    assert noticed({"connects": [*connected(1), *[connect("load-9", outcome="AUTH_FAILED")] * 20]}) == []
    assert noticed({"connects": [connect("load-9", outcome="AUTH_FAILED")] * 4}) == []


# --- messages --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        (Outcome.REJECTED, "rate limit", "5 were rejected by the rate limit: has an earlier run used up the window"),
        (Outcome.ERROR, "no such room", "5 were refused (no such room): must conversations exist"),
        (Outcome.TIMEOUT, "no ack", "5 had no final ack within 30 s: are acks called otherwise"),
        (Outcome.LOST, "closed 1006", "5 were lost with their connection"),
    ],
)
def test_no_message_is_delivered(outcome, reason, words):
    text = the_one(noticed({"messages": failed(outcome, reason)}))
    assert text.startswith(f"none of 5 messages was delivered, {words}")


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST])
def test_one_delivery_or_too_few_messages_are_no_mistake(outcome):
    assert noticed({"messages": [answered(9, 0, 5), *failed(outcome, of=50)]}) == []
    assert noticed({"messages": failed(outcome, of=4)}) == []


def test_what_users_lose_on_purpose_and_what_the_end_cut_off_is_no_mistake():
    assert noticed({"messages": failed(Outcome.LOST, population=Population.OUTAGE)}) == []
    assert noticed({"messages": failed(Outcome.UNFINISHED)}) == []


def test_events_that_were_not_understood_are_named():
    counters = [Count("unknown_event", "chat.ack", 7), Count("unknown_field", "message:ack.shard", 9)]
    text = the_one(noticed({"messages": failed(Outcome.TIMEOUT, "no ack"), "counters": counters}))
    assert "Not understood: chat.ack. `loadtest chat" in text


def test_acks_without_streams():
    silent = {"messages": [unanswered(n) for n in range(5)]}
    text = the_one(noticed(silent))
    assert text.startswith("acks, but no streams: none of 5 delivered messages was answered: is the AI switched off")
    assert "--expect-stream no" in text
    assert noticed(silent, {"messages": [answered(9, 0, 5)]}, facts=Facts("ws://x/ws", 10, False, 30.0)) == []
    assert noticed({"messages": [answered(9, 0, 5), *silent["messages"]]}) == []


# --- conversations ---------------------------------------------------------------------------------------------------
def in_one_room(users, seconds):
    return [delivered(n, f"load-{n % users}", "tea", n * seconds / 20) for n in range(21)]


def test_no_broadcasts_in_a_room_of_several():
    text = the_one(noticed({"messages": in_one_room(2, 20), "counters": [Count("broadcast", "own", 21)]}))
    assert text.startswith("no broadcasts: 20 messages went to conversations of several users, and nobody got a")


def test_broadcasts_that_come_or_that_nobody_is_there_for():
    heard = [Count("broadcast", "other", 1)]
    assert noticed({"messages": in_one_room(2, 20), "counters": heard}) == []
    assert noticed({"counters": heard}, {"messages": in_one_room(2, 20)}) == []
    assert noticed({"messages": in_one_room(1, 20)}) == []


def test_what_another_worker_heard_may_be_reported_seconds_later():
    assert noticed({"messages": in_one_room(2, 4)}) == []


# --- accounts --------------------------------------------------------------------------------------------------------
def test_all_users_one_account():
    text = the_one(noticed({"connects": [connect("ann")] * 10, "health": [health(10)]}))
    assert text.startswith("10 users share 1 account, and with it the rate limit")


def test_accounts_of_their_own_and_accounts_used_again():
    assert noticed({"connects": connected(10), "health": [health(10)]}) == []
    assert noticed(*({"connects": connected(10), "health": [health(10)]} for _ in range(3))) == []
    coming_back = [connect("load-0", n, reconnect=True) for n in range(20)]
    assert noticed({"connects": [*connected(10), *coming_back], "health": [health(10)]}) == []


def test_one_user_alone_has_one_account():
    assert noticed({"connects": connected(1), "health": [health(1)]}, facts=Facts("ws://x/ws", 1, True, 30.0)) == []


def test_users_of_several_workers_are_added_up():
    notices = Notices(FACTS)
    first = notices.see(Batch("worker-0", 0, connects=[connect("ann")] * 3, health=[health(3, "worker-0")]))
    second = notices.see(Batch("worker-1", 0, connects=[connect("ann")] * 3, health=[health(3, "worker-1")]))
    assert first == []
    assert "6 users share 1 account" in the_one(second)


# --- proxies ---------------------------------------------------------------------------------------------------------
def spawned(users, every_s):
    return [connect(f"load-{n}", n * every_s) for n in range(users)]


def test_connections_cut_off_at_one_age():
    cut = [ended(f"load-{n}", n * 0.5 + 60 + n % 2 * 0.3) for n in range(10)]
    text = the_one(noticed({"connects": spawned(10, 0.5)}, {"disconnects": cut}))
    assert text.startswith("10 connections were closed from outside, each at an age of 60 s: has a proxy")
    assert "proxy_read_timeout" in text


def test_connections_cut_off_after_one_silence():
    cut = [ended(f"load-{n}", n * 0.5 + 70 + n * 5, quiet_s=60 + n % 2 * 0.3) for n in range(10)]
    text = the_one(noticed({"connects": spawned(10, 0.5)}, {"disconnects": cut}))
    assert text.startswith("10 connections were closed from outside, each after 60 s without a frame: has a proxy")
    assert text.endswith("Raise it (nginx: proxy_read_timeout), or have the backend ping more often")


@pytest.mark.parametrize(
    "ends",
    [
        [ended(f"load-{n}", 62.0 + n * 0.001) for n in range(10)],
        [ended(f"load-{n}", n * 0.5 + 10 + n * 5) for n in range(10)],
        [ended(f"load-{n}", n * 0.5 + 60, by="client") for n in range(10)],
        [ended(f"load-{n}", n * 0.5 + 60, by="reset") for n in range(10)],
        [ended(f"load-{n}", n * 0.5 + 60) for n in range(4)],
        [ended(f"load-{n}", n * 0.5 + 0.1) for n in range(10)],
    ],
    ids=["a restart", "different ages", "ours", "on purpose", "few", "at once"],
)
def test_other_ends_of_connections(ends):
    assert noticed({"connects": spawned(10, 0.5)}, {"disconnects": ends}) == []


# --- all of it -------------------------------------------------------------------------------------------------------
def test_each_rule_speaks_once():
    again = {"messages": failed(Outcome.REJECTED)}
    assert len(noticed(again, again, again)) == 1


def test_a_sound_run_hears_nothing():
    counters = [Count("broadcast", "own", 100), Count("broadcast", "other", 100), Count("unknown_field", "x", 3)]
    sound = {
        "connects": connected(10),
        "health": [health(10)],
        "messages": [delivered(n, f"load-{n % 10}", f"conv-{n % 5}", n) for n in range(100)],
        "counters": counters,
    }
    assert noticed(sound, {"messages": failed(Outcome.REJECTED, of=50)}) == []


def test_a_notice_is_on_the_console_and_stays_with_the_run(start_reference_server, tmp_path):
    server = start_reference_server("--no-ai", "--rate-limit", "none")
    done = locust(
        "--host", server.url, "-u", "4", "-r", "4", "-t", "4s", "--rate-limit", "none", "--message-rate", "5/1s",
        "--reply-timeout", "1s", "--results", str(tmp_path), "WithinLimitUser", LOADTEST_JWT_SECRET=server.secret,
    )  # fmt: skip
    (kept,) = json.loads((tmp_path / "latest" / "summary.json").read_text())["notices"]
    assert kept.startswith("acks, but no streams: none of ")
    lines = done.stdout.splitlines()
    said = lines.index(f"loadtest: notice: {kept}")
    summary = next(place for place, line in enumerate(lines) if line.startswith("4 users, "))
    assert said < summary, "at once, not at the end"
    assert any(line.startswith("notice: acks, but no streams") for line in lines[summary:])


def test_one_bad_token_that_is_let_in_is_an_alarm_and_those_refused_are_nothing_to_tell():
    refused = [Connect("intruder-0", "IntruderUser", 0, "AUTH_FAILED", bad_token="forged")] * 20
    notices = Notices(Facts("ws://127.0.0.1:5000/ws", 20, True, 30.0))
    assert notices.see(Batch("local", 0, connects=refused)) == []
    let_in = [Connect("intruder-0", "IntruderUser", 0, "ok", authenticated_ns=1, bad_token="expired")]
    (said,) = notices.see(Batch("local", 1, connects=let_in))
    assert said.startswith("ALARM: the server let in 1 with a bad token (expired)")
