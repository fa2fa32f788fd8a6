"""Who is in which conversation: one at a time, in the order of joining."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.rooms import Rooms


def test_members_are_listed_in_the_order_of_joining() -> None:
    rooms: Rooms[str] = Rooms()
    for member in ("cat", "ann", "ben"):
        rooms.join(member, "tea")
    assert rooms.members("tea") == ("cat", "ann", "ben")


def test_joining_again_changes_nothing() -> None:
    rooms: Rooms[str] = Rooms()
    for member in ("ann", "ben", "ann"):
        rooms.join(member, "tea")
    assert rooms.members("tea") == ("ann", "ben")


def test_joining_another_conversation_leaves_the_former_one() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("ann", "tea")
    rooms.join("ben", "tea")
    rooms.join("ann", "milk")
    assert (rooms.members("tea"), rooms.members("milk")) == (("ben",), ("ann",))


def test_a_conversation_without_members_is_forgotten() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("ann", "tea")
    rooms.leave("ann")
    assert (list(rooms), rooms.members("tea")) == ([], ())


def test_leaving_without_having_joined_is_harmless() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.leave("ann")
    assert len(rooms) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["tea", "milk", None]))))
def test_everybody_is_where_they_last_went(moves: list[tuple[str, str | None]]) -> None:
    rooms: Rooms[str] = Rooms()
    for member, conversation in moves:
        if conversation is None:
            rooms.leave(member)
        else:
            rooms.join(member, conversation)
    last = {member: conversation for member, conversation in dict(moves).items() if conversation is not None}
    assert {member: room for room in rooms for member in rooms.members(room)} == last
