"""Orders of faults: their text, and which occasions they mean."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.counts import ServerCounts
from loadtest.server.faults.kinds import KINDS, Fault, Per, described
from loadtest.server.faults.orders import Order, order
from loadtest.server.faults.script import Progress, Script
from loadtest.server.truth import MessageTruth


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("ack-drop", Order("ack-drop", Fault.ACK_DROP)),
        ("ack-drop:every=10", Order("ack-drop:every=10", Fault.ACK_DROP, every=10)),
        ("stream-freeze:3s,every=5", Order("stream-freeze:3s,every=5", Fault.STREAM_FREEZE, 3.0, every=5)),
        (" cut : 1012 , from=3 , to=7 ", Order("cut : 1012 , from=3 , to=7", Fault.CUT, 1012, first=3, last=7)),
        ("cut", Order("cut", Fault.CUT, 1006)),
        ("ack-late:1s,ack=received", Order("ack-late:1s,ack=received", Fault.ACK_LATE, 1.0, acks=("received",))),
        ("limit-mistime:-5s", Order("limit-mistime:-5s", Fault.LIMIT_MISTIME, -5)),
        ("cpu:1ms,share=0.1,seed=7", Order("cpu:1ms,share=0.1,seed=7", Fault.CPU, 0.001, share=0.1, seed=7)),
        ("cut-all:at=10s,every=1m,share=0.5",
         Order("cut-all:at=10s,every=1m,share=0.5", Fault.CUT_ALL, 1006, at_s=10.0, again_s=60.0, share=0.5)),
    ],
)  # fmt: skip
def test_an_order_is_read_from_its_text(text: str, meaning: Order) -> None:
    assert order(text) == meaning


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ack-dorp", "'ack-dorp' is no fault; did you mean 'ack-drop'? `loadtest serve --list-faults` shows them all"),
        ("42", "'42' is no fault; `loadtest serve --list-faults` shows them all"),
        ("", "'' is no fault; `loadtest serve --list-faults` shows them all"),
        ("stream-freeze", "stream-freeze needs a value: give stream-freeze:TIME"),
        ("stream-freeze:soon", "stream-freeze: 'soon' is no duration: give seconds or a unit, as in 90, 90s, 1.5m"),
        ("stream-freeze:0s", "stream-freeze: '0s' is not above 0"),
        ("ack-drop:5s", "ack-drop takes no value: leave '5s' out"),
        ("cut:1000", "cut: '1000' is none of the close codes 1001, 1006, 1008, 1011, 1012, 1013"),
        ("ack-drop:every=0", "ack-drop: every: '0' is not a whole number above 0"),
        ("ack-drop:share=2", "ack-drop: share: '2' is no share: give a number above 0 and up to 1"),
        ("ack-drop:ack=both", "ack-drop: ack: 'both' is neither received nor delivered; leave it out for both"),
        ("ack-drop:often", "ack-drop takes no value: leave 'often' out"),
        ("cut:1001,often", "cut: 'often' is none of its settings; give every=, from=, to=, share=, seed="),
        ("cut-all:from=3", "cut-all: 'from=3' is none of its settings; give at=, every=, share=, seed="),
        ("ack-drop:from=5,to=2", "'ack-drop:from=5,to=2': to=2 lies before from=5"),
        ("limit-mistime:2.5s", "limit-mistime: '2.5s' is no difference in whole seconds: give one as in 5s or -5s"),
    ],
)
def test_what_cannot_be_ordered_is_said_in_one_line_with_a_remedy(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        order(text)


@given(st.text(max_size=40) | st.from_regex(r"(ack-drop|cut|cut-all|cpu):[a-z0-9=,.]{0,20}"))
def test_no_text_is_more_than_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(order(text).fault, Fault)


def test_every_fault_is_in_the_table_and_in_the_list_that_is_shown() -> None:
    assert set(KINDS) == set(Fault)
    lines = described().splitlines()
    assert all(
        sum(line.strip().split(":")[0].split("[")[0].split(" ")[0] == fault for line in lines) == 1 for fault in Fault
    )
    assert max(map(len, lines)) <= 120


def _meant(text: str, occasions: int = 20) -> list[int]:
    script = Script(ServerCounts(), [order(text)])
    return [number for number in range(1, occasions + 1) if script.due(Fault.ACK_DROP)]


@pytest.mark.parametrize(
    ("text", "occasions"),
    [
        ("ack-drop", list(range(1, 21))),
        ("ack-drop:every=5", [5, 10, 15, 20]),
        ("ack-drop:from=3,to=5", [3, 4, 5]),
        ("ack-drop:from=19", [19, 20]),
        ("ack-drop:to=2", [1, 2]),
        ("ack-drop:from=10,to=15,every=2", [11, 13, 15]),
        ("ack-drop:every=21", []),
    ],
)
def test_it_is_due_on_exactly_the_occasions_ordered(text: str, occasions: list[int]) -> None:
    assert _meant(text) == occasions


def test_a_share_is_drawn_from_its_seed() -> None:
    first, again, other = [_meant(f"ack-drop:share=0.1,seed={seed}", 2000) for seed in (1, 1, 2)]
    assert first == again != other
    assert 150 < len(first) < 250  # 200, and four standard deviations: √(2000·0.1·0.9) = 13.4


def test_one_occasion_counts_for_every_order_of_a_fault_and_the_first_due_is_done() -> None:
    script = Script(ServerCounts(), [order("cut:1012,every=2"), order("cut:1013,every=3"), order("cpu:1s")])
    due = [script.due(Fault.CUT) for _ in range(6)]
    assert [found and found.value for found in due] == [None, 1012, 1013, 1012, None, 1012]
    assert script.progress() == [
        Progress("cpu:1s"),
        Progress("cut:1012,every=2", 6, 3),
        Progress("cut:1013,every=3", 6, 1),
    ]


def test_orders_can_be_added_and_taken_back_and_none_is_due_when_the_server_stops() -> None:
    script = Script(ServerCounts())
    assert script.due(Fault.GHOST) is None
    script.add(order("ghost:every=2"))
    assert [bool(script.due(Fault.GHOST)) for _ in range(2)] == [False, True]
    script.clear()
    assert script.due(Fault.GHOST) is None
    script.add(order("ghost"))
    script.close()
    script.add(order("ghost"))
    assert script.due(Fault.GHOST) is None


def test_what_was_done_is_counted_and_named_in_the_truth_of_its_message() -> None:
    counts, truth = ServerCounts(), MessageTruth("m1", 7)
    script = Script(counts)
    script.did(Fault.BROADCAST_WITHHOLD, truth, 3)
    script.did(Fault.GHOST)
    assert counts.faults == {"broadcast-withhold": 3, "ghost": 1}
    assert truth.faults == ["broadcast-withhold"]
    assert str(counts).endswith("; faults: broadcast-withhold 3, ghost 1")


def test_faults_at_a_moment_are_those_of_all_connections() -> None:
    at_a_moment = {fault for fault in Fault if fault.kind.per is Per.MOMENT}
    assert at_a_moment == {Fault.CUT_ALL, Fault.REFUSE_CONNECTS, Fault.BLACK_HOLE, Fault.RESTART}
