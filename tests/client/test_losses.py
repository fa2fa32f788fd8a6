"""How a connection is lost, what is recorded of it, and how the client comes back: a test for each cause."""

import time
from collections import Counter

import gevent
import pytest
from chat_stage import QUICK, Stage, close, connected, cut, hosting, say, until
from link_stage import upgraded
from real_servers import raw, unused_port

from loadtest.client.state import State
from loadtest.model import Outcome
from loadtest.protocol import ConnectionError_
from loadtest.settings import Backoff

SECOND = 1_000_000_000


def back(stage, host, number=2):
    """Wait until the client is back, on its n-th connection."""
    until(lambda: stage.client.state is State.AUTHENTICATED and len(host.connections) == number)


def send(stage, *contents):
    for content in contents:
        stage.client.send("c", content)


def outcomes(batch):
    return Counter(str(message.outcome) for message in batch.messages)


@pytest.mark.parametrize(
    ("lose", "cause", "code", "by", "on_purpose"),
    [
        (lambda stage, _: stage.client.reset(), "reset", 1006, "reset", True),
        (lambda _, host: cut(host.connections[0]), "server cut", 1006, "server", False),
        (lambda _, host: close(host.connections[0], 1012), "server close", 1012, "server", False),
        (
            lambda _, host: say(
                host.connections[0], "connection:error", code="INTERNAL_ERROR", message="", timestamp=""
            ),
            "internal error",
            1000,
            "retry",
            False,
        ),
    ],
    ids=["client reset", "server cut", "server close", "INTERNAL_ERROR"],
)
def test_a_loss_is_told_with_its_cause_and_what_was_lost_in_flight(lose, cause, code, by, on_purpose):
    with hosting() as host, connected(host.url) as stage:
        host.answers = False
        send(stage, "in flight")
        until(lambda: host.contents == ["in flight"])
        host.answers = True
        lose(stage, host)
        back(stage, host)
        send(stage, "after")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    (outage,) = batch.outages
    assert (outage.cause, outage.code, outage.on_purpose, outage.lost) == (cause, code, on_purpose, 1)
    assert (outage.attempts, outage.ended, outage.noticed_ns) == (1, "recovered", outage.lost_ns)
    assert outage.lost_ns < outage.authenticated_ns < outage.recovered_ns
    assert outage.authenticated_ns - outage.lost_ns > outage.backoff_ns >= 10_000_000
    assert (batch.disconnects[0].by, outcomes(batch)) == (by, {"lost": 1, "delivered": 1})


def test_how_long_a_connection_was_quiet_before_its_end_counts_from_its_last_frame():
    with hosting() as host, connected(host.url) as stage:
        gevent.sleep(0.05)
        stage.client.send("c", "hi")
        until(lambda: not stage.client.open)
        acked_ns = time.monotonic_ns()
        gevent.sleep(0.1)
        close(host.connections[0], 1011)
        until(lambda: stage.client.losses)
        batch, _ = stage.end()
    lost = batch.disconnects[0]
    last_frame_ns = lost.at_ns - lost.quiet_ns
    assert batch.connects[0].authenticated_ns + 0.05e9 <= last_frame_ns < acked_ns + 0.05e9
    assert lost.quiet_ns >= 0.1e9


def test_a_clean_close_is_measured_comes_not_back_and_clears_the_queue():
    with hosting() as host, connected(host.url) as stage:
        close(host.connections[0], 1012)
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, "waits")
        back(stage, host)
        until(lambda: not stage.client.open)
        stage.client.disconnect()
        assert stage.client.state is State.DISCONNECTED
        send(stage, "too late")
        stage.client.disconnect()
        batch, _ = stage.end()
    assert [(end.code, end.by, end.close_ns is None) for end in batch.disconnects] == [
        (1012, "server", True),
        (1000, "client", False),
    ]
    assert len(host.connections) == 2
    assert [(m.outcome, m.reason) for m in batch.messages] == [
        (Outcome.DELIVERED, None),
        (Outcome.DROPPED, "disconnected"),
    ]


# --- half open
def test_a_client_that_falls_silent_notices_late_and_leaves_a_ghost_for_the_server_to_find():
    with hosting() as host, connected(host.url, silence_s=1.0) as stage:
        stage.client.fall_silent()
        silent = time.monotonic_ns()
        send(stage, "into the void")
        say(
            host.connections[0],
            "message:receive",
            messageId="x",
            conversationId="c",
            content="",
            userId="u",
            timestamp="",
        )
        stage.client.expire(silent + SECOND // 2)
        assert stage.client.state is State.AUTHENTICATED
        stage.client.expire(silent + 2 * SECOND)
        back(stage, host)
        cut(host.connections[0])
        until(lambda: stage.recorder._ghosts)
        send(stage, "after")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    (outage,), (ghost,) = batch.outages, batch.ghosts
    assert (outage.cause, outage.on_purpose, outage.lost) == ("silence", True, 1)
    assert outage.noticed_ns - outage.lost_ns >= 2 * SECOND
    assert (ghost.silent_ns, ghost.noticed_ns) == (outage.lost_ns, outage.noticed_ns)
    assert (ghost.frames, ghost.broadcasts, ghost.code) == (1, 1, 1006)
    assert ghost.ended_ns is not None
    assert host.contents == ["after"]


def test_a_ghost_that_the_server_never_finds_has_no_end():
    with hosting() as host, connected(host.url, silence_s=0.0) as stage:
        stage.client.fall_silent()
        stage.client.expire(time.monotonic_ns())
        back(stage, host)
        batch, _ = stage.end()
    (ghost,) = batch.ghosts
    assert (ghost.ended_ns, ghost.code) == (None, None)


def test_a_half_open_connection_is_found_by_a_ping_that_nobody_answers():
    pings = []

    def deaf(connection):
        protocol = upgraded(connection)
        protocol.send_text(b'{"type": "connection:authenticated"}')
        connection.sendall(b"".join(protocol.data_to_send()))
        pings.append(connection.recv(100)[0] & 0x0F)
        connection.recv(100)  # the end

    with raw(deaf) as port:
        stage = Stage(f"ws://127.0.0.1:{port}/ws", ping_timeout_s=10.0, backoff=Backoff(attempts=0))
        assert stage.client.connect()
        began = time.monotonic_ns()
        stage.client.expire(began + 4 * SECOND)
        stage.client.expire(began + 6 * SECOND)
        until(lambda: pings)
        stage.client.expire(began + 9 * SECOND)
        assert stage.client.state is State.AUTHENTICATED
        stage.client.expire(began + 11 * SECOND)
        until(lambda: stage.client.state is State.ERROR)
        batch, _ = stage.end()
    assert pings == [0x9]
    assert (batch.outages[0].cause, batch.outages[0].ended) == ("ping timeout", "gave up")
    assert batch.outages[0].reason == "nothing received for 10 s, and a ping not answered"
    assert batch.outages[0].lost_ns < batch.outages[0].noticed_ns


# --- what others send from the loss on
def stay_of(stage):
    """The one stay, and all that was recorded."""
    batch, _ = stage.end()
    (stay,) = batch.stays
    return stay, batch


def joined(stage):
    send(stage, "joins")
    until(lambda: not stage.client.open)


def test_nothing_is_owed_to_who_fell_silent_before_it_noticed():
    with hosting() as host, connected(host.url, seat=7, silence_s=1.0) as stage:
        joined(stage)
        stage.client.fall_silent()
        stage.client.expire(time.monotonic_ns() + 2 * SECOND)
        back(stage, host)
        stay, batch = stay_of(stage)
    assert stay.until_ns == batch.outages[0].lost_ns < batch.outages[0].noticed_ns - SECOND


def test_nothing_is_owed_to_who_was_silent_when_the_run_ended():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.fall_silent()
        silent = time.monotonic_ns()
        gevent.sleep(0.01)
        stay, _ = stay_of(stage)
    assert stay.until_ns <= silent


def test_who_fell_silent_tells_nobody_that_it_types():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.fall_silent()
        stage.client.typing_start("c")
        batch, counts = stage.end()
    assert batch.typed == []
    assert ("typing_sent", "start") not in counts


def test_who_leaves_while_it_is_silent_has_told_nobody_by_then_that_it_stopped_typing():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.typing_start("c")
        stage.client.fall_silent()
        stage.client.disconnect()
        batch, _ = stage.end()
    assert [typed.event for typed in batch.typed] == ["typing:start"]


def test_nothing_is_owed_to_a_half_open_connection_since_it_last_received_something():
    with hosting() as host, connected(host.url, seat=7, ping_timeout_s=10.0) as stage:
        joined(stage)
        joined(stage)  # what it last received came some time after it had joined
        stage.client.expire(time.monotonic_ns() + 11 * SECOND)
        back(stage, host)
        stay, batch = stay_of(stage)
    assert stay.until_ns == batch.outages[0].lost_ns < batch.outages[0].noticed_ns


def test_who_types_into_a_half_open_connection_does_so_after_its_stay_and_nobody_is_told_that_it_stopped():
    with hosting() as host, connected(host.url, seat=7, ping_timeout_s=10.0) as stage:
        joined(stage)
        stage.client.typing_start("c")
        stage.client.expire(time.monotonic_ns() + 11 * SECOND)
        back(stage, host)
        stay, batch = stay_of(stage)
    (typed,) = batch.typed
    assert typed.event == "typing:start"
    assert typed.sent_ns > stay.until_ns


def test_who_is_cut_off_while_it_types_stops_with_its_stay():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.typing_start("c")
        cut(host.connections[0])
        back(stage, host)
        stay, batch = stay_of(stage)
    assert [typed.event for typed in batch.typed] == ["typing:start", "gone"]
    assert batch.typed[1].sent_ns == stay.until_ns


def cut_in_a_pause(stage, host):
    """Returns when the pause began."""
    stage.client.pause_reading()
    paused = time.monotonic_ns()
    gevent.sleep(0.01)
    cut(host.connections[0])
    gevent.sleep(0.01)
    assert stage.client.losses == 0
    stage.client.resume_reading()
    back(stage, host)
    return paused


def test_nothing_is_owed_to_who_was_cut_off_while_it_paused_its_reading():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.typing_start("c")
        paused = cut_in_a_pause(stage, host)
        stay, batch = stay_of(stage)
    assert stay.until_ns <= paused < batch.outages[0].lost_ns
    assert [typed.event for typed in batch.typed] == ["typing:start"]  # nobody knows when the others were told


def test_who_pauses_once_more_before_it_has_read_on_has_paused_since_the_first_time():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.pause_reading()
        paused = time.monotonic_ns()
        gevent.sleep(0.01)
        stage.client.resume_reading()
        cut_in_a_pause(stage, host)
        stay, _ = stay_of(stage)
    assert stay.until_ns <= paused


def test_a_pause_takes_nothing_from_who_says_goodbye_after_it():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.pause_reading()
        gevent.sleep(0.01)
        resumed = time.monotonic_ns()
        stage.client.disconnect()
        stay, _ = stay_of(stage)
    assert stay.until_ns >= resumed


def test_nothing_is_owed_to_who_has_sent_its_close_frame():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        stage.client.disconnect()
        stay, batch = stay_of(stage)
    assert stay.until_ns < batch.disconnects[0].at_ns


def test_after_an_internal_error_the_outage_begins_before_the_closing_handshake():
    with hosting() as host, connected(host.url, seat=7) as stage:
        joined(stage)
        say(host.connections[0], "connection:error", code="INTERNAL_ERROR", message="", timestamp="")
        back(stage, host)
        stay, batch = stay_of(stage)
    assert stay.until_ns == batch.outages[0].lost_ns < batch.disconnects[0].at_ns


def test_who_leaves_while_an_internal_error_is_closed_has_lost_its_connection_all_the_same():
    leaving = []

    def leave(event):
        if isinstance(event, ConnectionError_):  # the closing handshake has just begun
            leaving.append(gevent.spawn(stage.client.disconnect))

    with hosting() as host, connected(host.url, seat=7, on_event=leave) as stage:
        joined(stage)
        host.answers = False
        send(stage, "in flight")
        until(lambda: host.contents[-1] == "in flight")
        say(host.connections[0], "connection:error", code="INTERNAL_ERROR", message="", timestamp="")
        until(lambda: leaving and leaving[0].ready())
        stay, batch = stay_of(stage)
    (disconnect,), (outage,) = batch.disconnects, batch.outages
    assert (disconnect.by, outage.cause, outage.lost, outage.ended) == ("retry", "internal error", 1, "left")
    assert stay.until_ns == outage.lost_ns < disconnect.at_ns
    assert outcomes(batch) == {"delivered": 1, "lost": 1}
    assert len(host.connections) == 1


# --- a server that does not come back
def test_after_five_attempts_by_the_schedule_the_user_is_given_up():
    with hosting() as host, connected(host.url) as stage:
        host.unwelcome = 99
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, "waits")
        until(lambda: stage.client.state is State.ERROR)
        batch, counts = stage.end()
    (outage,) = batch.outages
    assert (outage.attempts, outage.ended, outage.authenticated_ns) == (5, "gave up", None)
    again = [connect for connect in batch.connects if connect.reconnect]
    assert [(connect.attempt, connect.outcome) for connect in again] == [(n, "closed") for n in range(1, 6)]
    assert sum(connect.backoff_ns for connect in again) == outage.backoff_ns
    for connect in again:
        assert connect.backoff_ns / 1e9 >= QUICK.bounds(connect.attempt - 1)[0]
    assert counts["gave_up", "gave up connecting"] == 1
    assert (outcomes(batch), batch.messages[0].reason) == ({"dropped": 1}, "gave up connecting")


def test_one_that_gave_up_begins_anew_if_so_set():
    with hosting() as host, connected(host.url, backoff=Backoff(0.01, attempts=1), start_anew_s=0.01) as stage:
        host.unwelcome = 3  # the one attempt, and both of the first new beginning
        cut(host.connections[0])
        back(stage, host)
        batch, counts = stage.end()
    assert [c.attempt for c in batch.connects] == [None, 1, None, 1, None]
    assert (counts["gave_up", "gave up connecting"], counts["started_anew", ""]) == (2, 2)
    assert [outage.ended for outage in batch.outages] == ["gave up"]


def test_nobody_listens_at_all():
    stage = Stage(f"ws://127.0.0.1:{unused_port()}/ws")
    assert not stage.client.connect()
    batch, _ = stage.end()
    assert [(c.attempt, c.outcome) for c in batch.connects] == [(n, "refused") for n in (None, 1, 2, 3, 4, 5)]


def test_a_server_that_says_goodbye_with_1000_is_not_called_again():
    with hosting() as host, connected(host.url) as stage:
        close(host.connections[0], 1000)
        until(lambda: stage.client.state is State.ERROR)
        batch, _ = stage.end()
    assert (batch.outages[0].attempts, batch.outages[0].ended) == (0, "gave up")


# --- the offline queue
@pytest.mark.parametrize(("waiting", "dropped"), [(99, 0), (100, 0), (101, 1)])
def test_a_queue_of_a_hundred_is_flushed_in_order_and_its_oldest_give_way(waiting, dropped):
    with hosting() as host, connected(host.url) as stage:
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        contents = [str(number) for number in range(waiting)]
        send(stage, *contents)
        until(lambda: not stage.client.open)
        batch, counts = stage.end()
    assert host.contents == contents[dropped:]
    (outage,) = batch.outages
    assert (outage.queued, outage.dropped, outage.rejected) == (waiting - dropped, dropped, 0)
    assert outage.flushed_ns > outage.authenticated_ns
    assert outcomes(batch) == {"delivered": waiting - dropped} | ({"dropped": 1} if dropped else {})
    assert counts["flushed_broadcast", "in order"] == waiting - dropped
    assert counts["messages_offered", ""] == len(batch.messages) == waiting


def test_of_a_flush_the_rate_limit_admits_ten():
    with hosting() as host, connected(host.url) as stage:
        host.admits = 10
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, *map(str, range(100)))
        until(lambda: not stage.client.open)
        batch, counts = stage.end()
    assert (batch.outages[0].queued, batch.outages[0].rejected) == (100, 90)
    assert outcomes(batch) == {"delivered": 10, "rejected": 90}
    assert counts["flushed_broadcast", "in order"] == 10


def test_what_the_queue_loses_while_an_internal_error_is_closed_is_in_the_row_of_its_outage():
    def say_more(event):
        if isinstance(event, ConnectionError_):  # the closing handshake has just begun
            send(stage, "a", "b", "c")

    with hosting() as host, connected(host.url, queue_limit=1, on_event=say_more) as stage:
        say(host.connections[0], "connection:error", code="INTERNAL_ERROR", message="", timestamp="")
        until(lambda: host.contents == ["c"] and not stage.client.open)
        batch, _ = stage.end()
    (outage,) = batch.outages
    assert (outage.cause, outage.queued, outage.dropped) == ("internal error", 1, 2)
    assert outcomes(batch) == {"dropped": 2, "delivered": 1}


def flushes(batch):
    return [(each.after_outage, each.sent, each.dropped, each.rejected, each.ended) for each in batch.flushes]


def test_a_flush_after_an_outage_has_the_numbers_of_its_row():
    with hosting() as host, connected(host.url, queue_limit=3) as stage:
        host.admits = 2
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, *"abcd")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert flushes(batch) == [(True, 3, 1, 1, "answered")]
    (outage,), (flush,) = batch.outages, batch.flushes
    assert (outage.authenticated_ns, outage.flushed_ns) == (flush.began_ns, flush.ended_ns)


def test_a_flush_after_an_absence_is_no_outage_and_has_a_row_of_its_own():
    with hosting() as host, connected(host.url, queue_limit=2) as stage:
        stage.client.disconnect()
        send(stage, "a", "b", "c")
        assert stage.client.connect()
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert batch.outages == []
    assert flushes(batch) == [(False, 2, 1, 0, "answered")]
    (flush,) = batch.flushes
    assert batch.connects[-1].authenticated_ns == flush.began_ns < flush.ended_ns
    assert outcomes(batch) == {"dropped": 1, "delivered": 2}


def test_a_flush_by_who_gave_up_and_began_anew_has_a_row_too():
    anew = {"backoff": Backoff(0.01, attempts=0), "start_anew_s": 0.05}
    with hosting() as host, connected(host.url, **anew) as stage:
        cut(host.connections[0])
        until(lambda: stage.client.state is State.ERROR)
        send(stage, "waits")
        back(stage, host)
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert [outage.ended for outage in batch.outages] == ["gave up"]
    assert flushes(batch) == [(False, 1, 0, 0, "answered")]


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda _, host: cut(host.connections[-1]), "lost"),
        (lambda stage, _: stage.client.disconnect(), "left"),
        (lambda stage, _: stage.client.finish(), "run ended"),
        (lambda stage, _: stage.client.expire(time.monotonic_ns() + 6 * SECOND), "unanswered"),
    ],
    ids=["lost", "left", "run ended", "unanswered"],
)
def test_a_flush_that_is_not_answered_says_what_came_between(end, ended):
    with hosting() as host, connected(host.url) as stage:
        host.answers = False
        stage.client.disconnect()
        send(stage, "waits")
        assert stage.client.connect()
        until(lambda: host.contents == ["waits"])
        end(stage, host)
        until(lambda: stage.recorder._flushes)
        batch, _ = stage.end()
    assert flushes(batch) == [(False, 1, 0, 0, ended)]
    assert batch.flushes[0].ended_ns is None


def test_a_duplicate_after_the_flush_is_counted():
    with hosting() as host, connected(host.url) as stage:
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        stage.client.send("c", "waits")
        until(lambda: not stage.client.open)
        again = {"conversationId": "c", "content": "waits", "userId": "load-0", "timestamp": ""}
        (message,) = stage.recorder._messages
        say(host.connections[1], "message:receive", messageId=message.message_id, **again)
        until(lambda: stage.recorder.tally._counts["broadcast", "own"] == 2)
        _, counts = stage.end()
    assert (counts["flushed_broadcast", "in order"], counts["flushed_broadcast", "again"]) == (1, 1)


def test_a_cut_during_the_flush_loses_it_and_is_an_outage_of_its_own():
    with hosting() as host, connected(host.url) as stage:
        host.answers = False
        host.on_message = cut
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, "a", "b", "c")
        back(stage, host, 3)
        host.answers, host.on_message = True, None
        send(stage, "after")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert [(o.ended, o.queued, o.lost) for o in batch.outages] == [("lost again", 3, 0), ("recovered", 0, 3)]
    assert outcomes(batch) == {"lost": 3, "delivered": 1}


def test_who_sends_nothing_between_two_losses_has_recovered_from_the_first():
    with hosting() as host, connected(host.url) as stage:
        for number in (2, 3):
            cut(host.connections[-1])
            back(stage, host, number)
        batch, _ = stage.end()
    assert [outage.ended for outage in batch.outages] == ["recovered", "recovered"]


def test_what_waited_and_is_never_answered_holds_no_outage_open():
    with hosting() as host, connected(host.url) as stage:
        host.answers = False
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        send(stage, "waits")
        until(lambda: host.contents == ["waits"])
        stage.client.expire(time.monotonic_ns() + 6 * SECOND)
        host.answers = True
        send(stage, "after")
        until(lambda: not stage.client.open)
        (outage,) = stage.recorder._outages
        stage.end()
    assert (outage.ended, outage.queued, outage.flushed_ns) == ("recovered", 1, None)
    assert outage.recovered_ns is not None


# --- readers that are slow, and servers that ping too much
def test_a_reader_that_pauses_hears_it_all_later_and_the_pause_is_no_lag_of_the_generator():
    with hosting() as host, connected(host.url) as stage:
        assert stage.client.pause_reading()
        send(stage, "unread")
        until(lambda: host.contents == ["unread"])
        gevent.sleep(0.1)
        assert stage.client.open == 1
        stage.client.resume_reading()
        until(lambda: not stage.client.open)
        lags = list(stage.recorder.lags)
        batch, _ = stage.end()
    assert outcomes(batch) == {"delivered": 1}
    assert max(lags[-2:]) < 100_000_000
    assert stage.client.losses == 1  # its own goodbye


def test_what_came_in_time_and_is_read_after_the_reply_timeout_was_not_late():
    with hosting() as host, connected(host.url) as stage:
        stage.client.pause_reading()
        send(stage, "unread")
        until(lambda: host.contents == ["unread"])
        stage.client.expire(time.monotonic_ns() + 9 * SECOND)  # of 5
        stage.client.resume_reading()
        stage.client.expire(time.monotonic_ns())
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert outcomes(batch) == {"delivered": 1}


def test_a_pause_longer_than_the_ping_timeout_is_no_silence_of_the_server():
    with hosting() as host, connected(host.url, ping_timeout_s=0.1) as stage:
        stage.client.pause_reading()
        gevent.sleep(0.11)
        stage.client.resume_reading()
        stage.client.expire(time.monotonic_ns())
        assert stage.client.state is State.AUTHENTICATED


def test_once_sending_is_over_whoever_paused_reads_on():
    with hosting() as host, connected(host.url) as stage:
        stage.client.pause_reading()
        send(stage, "unread")
        stage.client.hold()
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    assert outcomes(batch) == {"delivered": 1}


def test_a_flood_of_pings_is_answered_and_named():
    with hosting() as host, connected(host.url) as stage:
        pongs = [host.connections[0].ping(str(number)) for number in range(200)]
        until(lambda: all(pong.is_set() for pong in pongs))
        _, counts = stage.end()
    assert (counts["pings_answered", ""], counts["ping_flood", ""]) == (200, 1)
