"""When an outage is over, and what is known of it."""

from loadtest.client.outage import OpenOutage


def lost(on_purpose=False):
    return OpenOutage(100, 1006, "", on_purpose)


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
    outage = lost(on_purpose=True)
    outage.dropped()
    record = outage.record("load-0", "RoamingUser", "gave up")
    assert (record.ended, record.authenticated_ns, record.dropped, record.on_purpose) == ("gave up", None, 1, True)
