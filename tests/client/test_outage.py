"""When an outage is over, and what is known of it."""

from loadtest.client.flush import OpenFlush
from loadtest.client.outage import OpenOutage
from loadtest.model import Cause


def lost(cause=Cause.SERVER_CUT, noticed_ns=100, lost=0):
    return OpenOutage(100, 1006, "", cause, noticed_ns, lost)


def back(*waited):
    """Lost at 100, back at 300, and what had waited was sent."""
    outage, flush = lost(), OpenFlush(waited, 300, 0, after_outage=True) if waited else None
    outage.authenticated(300, flush)
    return outage, flush


def test_it_is_over_with_the_first_delivered_ack_when_nothing_waited():
    outage, _ = back()
    outage.attempt()
    outage.answered(310, delivered=False)
    assert not outage.over
    outage.answered(320, delivered=True)
    assert outage.over
    record = outage.record("load-0", "RoamingUser", "run ended")
    assert (record.authenticated_ns, record.recovered_ns, record.flushed_ns) == (300, 320, None)
    assert (record.attempts, record.ended) == (1, "recovered")


def test_it_lasts_until_every_message_that_waited_is_answered():
    outage, flush = back("m1", "m2")
    flush.answered("m1", 310)
    outage.answered(310, delivered=True)
    assert not outage.over
    flush.answered("m2", 330)
    outage.answered(330, delivered=False)
    assert outage.over
    record = outage.record("load-0", "RoamingUser", "run ended")
    assert (record.queued, record.recovered_ns, record.flushed_ns) == (2, 310, 330)


def test_acks_before_the_reconnection_say_nothing():
    outage = lost()
    outage.answered(150, delivered=True)
    assert not outage.over
    assert outage.record("u", "C", "run ended").recovered_ns is None


def test_one_that_never_came_back_says_how_it_ended():
    outage = lost(Cause.SILENCE, noticed_ns=180, lost=2)
    outage.dropped(3)
    for backoff_ns in (1_000, 2_000):
        outage.waited(backoff_ns)
        outage.attempt()
    record = outage.record("load-0", "RoamingUser", "gave up")
    assert (record.ended, record.authenticated_ns, record.dropped, record.on_purpose) == ("gave up", None, 3, True)
    assert (record.cause, record.lost_ns, record.noticed_ns, record.lost) == ("silence", 100, 180, 2)
    assert (record.attempts, record.backoff_ns) == (2, 3_000)


def test_of_what_waited_it_counts_what_the_rate_limit_refused():
    outage, flush = back("m1", "m2", "m3")
    for message_id, at_ns, limited in (("m1", 310, False), ("m2", 320, True), ("m3", 330, False)):
        flush.answered(message_id, at_ns, limited)
        outage.answered(at_ns, delivered=message_id == "m1")
    assert outage.over
    assert (outage.record("u", "C", "recovered").rejected, outage.record("u", "C", "recovered").flushed_ns) == (1, 330)


def test_a_message_that_waited_and_is_given_up_holds_no_outage_open_and_leaves_the_flush_without_an_end():
    outage, flush = back("m1", "m2")
    flush.unanswered("m1")
    flush.unanswered("of no flush")
    assert not outage.over
    flush.answered("m2", 330)
    outage.answered(330, delivered=True)
    assert outage.over
    record = outage.record("u", "C", "recovered")
    assert (record.queued, record.recovered_ns, record.flushed_ns) == (2, 330, None)


def test_one_that_is_back_and_lost_before_it_has_recovered_says_so():
    outage, _ = back("m1")
    assert outage.record("u", "C", "lost again").ended == "lost again"
    assert outage.record("u", "C", "run ended").ended == "recovered"
