"""Workers of other machines count by clocks of their own; what they record is put on the master's."""

import msgspec
import numpy as np
import pytest

from loadtest.load.clock import Reading, WorkerClock, clock_id
from loadtest.load.instants import INSTANTS, shifted
from loadtest.model import Batch, Count, Counts, Health, Message, Outage, Outcome, Population, Receipts
from loadtest.runs.schema import RECORDS

MS = 1_000_000


def test_a_clock_is_known_by_the_boot_of_its_system_and_the_time_namespace(tmp_path):
    one, other, none = tmp_path / "one", tmp_path / "other", tmp_path / "none"
    one.write_text("5d1c-one\n")
    other.write_text("5d1c-two\n")
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to("time:[4026531834]")
    second.symlink_to("time:[4026532001]")
    assert clock_id(one, first) == clock_id(one, first)
    assert len({clock_id(boot, space) for boot in (one, other, none) for space in (first, second, none)}) == 9
    assert "5d1c" not in clock_id(one, first)


# --- reading a worker's clock -----------------------------------------------------------------------------------------
def test_a_clock_is_taken_to_be_read_half_way_between_question_and_answer():
    reading = Reading(asked_ns=5_000, read_ns=900_000, answered_ns=7_000)
    assert reading.offset_ns == 6_000 - 900_000
    assert reading.bound_ns(7_000) == 1_000


def test_a_reading_is_worth_less_as_the_clocks_drift():
    assert Reading(0, 0, 2 * MS).bound_ns(2 * MS + 10_000 * MS) == 2 * MS, "1 ms, and 0.1 ms a second for 10 s"


def test_the_better_of_two_readings_is_kept_and_an_old_one_gives_way():
    clock = WorkerClock()
    assert (clock.offset_ns, clock.bound_ns) == (0, 0)
    clock.read(Reading(0, 500, 2 * MS))
    assert (clock.offset_ns, clock.bound_ns) == (MS - 500, MS)
    clock.read(Reading(10 * MS, 0, 20 * MS))
    assert clock.bound_ns == MS, "a slow exchange tells less"
    clock.read(Reading(60_000 * MS, 0, 60_010 * MS))
    assert clock.bound_ns == 5 * MS, "after a minute a slow one tells more"


# --- putting its records on ours --------------------------------------------------------------------------------------
def test_instants_move_and_durations_do_not():
    message = Message(
        *("ann", "User", Population.HEADLINE, "tea", "m1", 1_000, None, Outcome.TIMEOUT),
        received_ns=1_200,
        received_bound_ns=7,
        longest_stall_ns=30,
    )
    outage = Outage("ann", "User", 2_000, 1006, "", False, 1, authenticated_ns=2_500, noticed_ns=2_100, backoff_ns=400)
    moved = shifted(Batch("worker-1", 3, [message], outages=[outage], counters=[Count("clock", "a", 1)]), 50)
    assert moved.messages == [msgspec.structs.replace(message, intended_ns=1_050, received_ns=1_250)]
    assert moved.outages == [msgspec.structs.replace(outage, lost_ns=2_050, authenticated_ns=2_550, noticed_ns=2_150)]
    assert (moved.process, moved.sequence, moved.counters) == ("worker-1", 3, [Count("clock", "a", 1)])


def test_intervals_and_packed_receipts_move_too():
    receipts = Receipts("typing:start", "tea", "", "ann", None, b"", b"", np.array([10, 30], "<i8").tobytes())
    counts = Counts("inter_chunk", Population.HEADLINE, 100, 200, b"", b"", "worker-1")
    moved = shifted(Batch("worker-1", 0, histograms=[counts], receipts=[receipts]), -5)
    assert np.frombuffer(moved.receipts[0].at_ns, "<i8").tolist() == [5, 25]
    assert (moved.histograms[0].start_ns, moved.histograms[0].end_ns) == (95, 195)


def test_a_batch_of_our_own_clock_is_left_as_it_is():
    batch = Batch("worker-0", 0, health=[Health("worker-0", 5, 1, 1, 1, 0, 0, 0, 0, 0, 0)])
    assert shifted(batch, 0) is batch


DURATIONS = {
    "messages": "received_bound delivered_bound first_content_bound completed_bound longest_stall receive_lag handover",
    "connects": "tcp tls upgrade auth proxy backoff",
    "disconnects": "close quiet",
    "outages": "backoff",
    "health": "interval cpu loop_lag gc send_lag receive_lag steal throttled",
    "logins": "waited",
}


@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"server", "steps"}))
def test_each_time_of_a_record_is_known_for_an_instant_or_a_duration(name):
    times = {field for field in RECORDS[name].__struct_fields__ if field.endswith("_ns")}
    assert times == {*INSTANTS[name], *(f"{each}_ns" for each in DURATIONS.get(name, "").split())}
