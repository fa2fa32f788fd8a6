"""Where the records of a TLS stream end."""

import ssl

from hypothesis import given
from hypothesis import strategies as st

from loadtest.client.tls import TlsStream

CONTEXT = ssl.create_default_context()


def record(length):
    return b"\x17\x03\x03" + length.to_bytes(2) + b"x" * length


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5), st.data())
def test_only_after_the_last_byte_of_a_record_is_a_stream_between_records(lengths, data):
    whole = b"".join(map(record, lengths))
    ends = {sum(length + 5 for length in lengths[: count + 1]) for count in range(len(lengths))}
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole)), max_size=8)) | {len(whole)})
    stream = TlsStream(CONTEXT, "localhost")
    place = 0
    for cut in cuts:
        stream.feed(whole[place:cut])
        place = cut
        assert stream.mid_record == (cut not in ends)
