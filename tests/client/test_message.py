"""A text that names its message."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.client.message import named
from loadtest.protocol import MESSAGE_ID, NAMED_LENGTH

ID = "msg-1763000000000-k3fab12cd"


def test_the_id_takes_the_place_of_the_end():
    assert named("twelve chars and then some more to go..", ID) == f"twelve char {ID}"


@given(st.text("ab é😀", max_size=60))
def test_a_text_stays_as_long_as_it_was_and_names_its_message_where_there_is_room(text):
    told = named(text, ID)
    assert len(told) == len(text)
    assert told.endswith(ID) if len(text) >= NAMED_LENGTH else told == text


def test_an_id_of_ours_is_found_in_a_text():
    assert MESSAGE_ID.findall(f"<{ID}> and xmsg-17-abc") == [ID]
