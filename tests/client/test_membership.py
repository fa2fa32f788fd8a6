"""Which conversation a connection is in: known by what it sent and what was acked."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.client.membership import Membership, Span, Standing


def joined(conversation="tea", at=10):
    member = Membership()
    assert member.sends(conversation, at - 5) is None
    member.acked(conversation, at)
    return member


def test_nobody_is_anywhere_before_the_first_message():
    member = Membership()
    member.belongs("tea")
    assert [member.standing(name) for name in ("tea", "milk")] == [Standing.NOT_YET, Standing.OUTSIDER]
    assert member.gone(1) is None


def test_a_message_may_have_joined_before_its_ack_tells():
    member = Membership()
    member.sends("tea", 1)
    assert member.standing("tea") is Standing.MEMBER
    assert member.gone(5) is None  # but nobody can say since when


def test_a_stay_lasts_from_the_ack_of_the_join_to_the_end_of_the_connection():
    assert joined(at=10).gone(30) == Span("tea", 10, 30)


def test_later_messages_to_the_same_conversation_change_nothing():
    member = joined(at=10)
    assert member.sends("tea", 15) is None
    member.acked("tea", 16)
    assert member.gone(30) == Span("tea", 10, 30)


def test_a_message_to_another_conversation_ends_the_stay_and_its_ack_the_membership():
    member = joined(at=10)
    assert member.sends("milk", 20) == Span("tea", 10, 20)
    assert [member.standing(name) for name in ("tea", "milk")] == [Standing.MEMBER, Standing.MEMBER]
    member.acked("milk", 25)
    assert [member.standing(name) for name in ("tea", "milk")] == [Standing.LEFT, Standing.MEMBER]
    assert member.gone(30) == Span("milk", 25, 30)


def test_a_refused_message_does_not_move_the_connection():
    member = joined(at=10)
    member.sends("milk", 20)
    member.refused("milk", 22)
    assert [member.standing(name) for name in ("tea", "milk")] == [Standing.MEMBER, Standing.NOT_YET]
    assert member.gone(30) == Span("tea", 22, 30)


def test_a_new_connection_has_to_join_anew():
    member = joined()
    member.gone(30)
    assert member.standing("tea") is Standing.NOT_YET
    member.sends("tea", 40)
    member.acked("tea", 45)
    assert member.gone(50) == Span("tea", 45, 50)


@given(st.lists(st.tuples(st.sampled_from(["sends", "acked", "refused", "gone"]), st.sampled_from("abc"))))
def test_whatever_happens_stays_lie_one_after_the_other(happenings):
    member, spans, waiting = Membership(), [], []
    for now, (what, conversation) in enumerate(happenings):
        if what == "sends":
            spans.append(member.sends(conversation, now))
            waiting.append(conversation)
        elif what == "gone":
            spans.append(member.gone(now))
            waiting.clear()
        elif waiting:  # a server answers what was sent, in order
            getattr(member, what)(waiting.pop(0), now)
    spans = [span for span in [*spans, member.gone(len(happenings))] if span is not None]
    edges = [edge for span in spans for edge in (span.from_ns, span.until_ns)]
    assert edges == sorted(edges)
