"""When an outage is over, and what is known of it."""

from loadtest.client.outage import OpenOutage
from loadtest.model import Cause


def lost(cause=Cause.SERVER_CUT, **more):
    return OpenOutage(100, 1006, "", cause, **more)


def test_it_is_over_with_the_first_delivered_ack_when_nothing_waited():
    outage = lost()
    outage.attempt()
    outage.authenticated(300, [])
    assert not outage.answered("m1", 310, delivered=False)
    assert outage.answered("m2", 320, delivered=True)
    record = outage.record("load-0", "RoamingUser", "run ended")
    assert (record.authenticated_ns, record.recovered_ns, record.flushed_ns) == (300, 320, None)
    assert (record.attempts, record.ended) == (1, "recovered")


def test_it_lasts_until_every_message_that_waited_is_answered():
    outage = lost()
    outage.authenticated(300, ["m1", "m2"])
    assert not outage.answered("m1", 310, delivered=True)
    assert outage.answered("m2", 330, delivered=False)
    record = outage.record("load-0", "RoamingUser", "run ended")
    assert (record.queued, record.recovered_ns, record.flushed_ns) == (2, 310, 330)


def test_acks_before_the_reconnection_say_nothing():
    assert not lost().answered("m1", 150, delivered=True)


def test_one_that_never_came_back_says_how_it_ended():
    outage = lost(Cause.SILENCE, noticed_ns=180, lost=2)
    outage.dropped()
    for backoff_ns in (1_000, 2_000):
        outage.waited(backoff_ns)
        outage.attempt()
    record = outage.record("load-0", "RoamingUser", "gave up")
    assert (record.ended, record.authenticated_ns, record.dropped, record.on_purpose) == ("gave up", None, 1, True)
    assert (record.cause, record.lost_ns, record.noticed_ns, record.lost) == ("silence", 100, 180, 2)
    assert (record.attempts, record.backoff_ns) == (2, 3_000)


def test_of_what_waited_it_counts_what_the_rate_limit_refused():
    outage = lost()
    outage.authenticated(300, ["m1", "m2", "m3"])
    outage.answered("m1", 310, delivered=True)
    outage.answered("m2", 320, delivered=False, limited=True)
    assert outage.answered("m3", 330, delivered=False)
    assert (outage.record("u", "C", "recovered").rejected, outage.record("u", "C", "recovered").flushed_ns) == (1, 330)


def test_a_message_that_waited_and_is_given_up_holds_no_outage_open_and_leaves_the_flush_without_an_end():
    outage = lost()
    outage.authenticated(300, ["m1", "m2"])
    assert not outage.unanswered("m1")
    assert not outage.unanswered("of no flush")
    assert outage.answered("m2", 330, delivered=True)
    record = outage.record("u", "C", "recovered")
    assert (record.queued, record.recovered_ns, record.flushed_ns) == (2, 330, None)


def test_one_that_is_back_and_lost_before_it_has_recovered_says_so():
    outage = lost()
    outage.authenticated(300, ["m1"])
    assert outage.record("u", "C", "lost again").ended == "lost again"
    assert outage.record("u", "C", "run ended").ended == "recovered"
