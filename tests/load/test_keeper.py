"""Whatever cannot be written: the run goes on, nothing else is lost, and the run is not taken for sound."""

import json
import resource
from contextlib import contextmanager

import gevent
import pytest
from staged_run import STEADY_S, answered, info

from loadtest.errors import NothingMeasured
from loadtest.load.keeper import Keeper
from loadtest.model import Batch, Count, Receipts
from loadtest.runs.reader import RunReader

HALF = "\ud83d"


def batch(sequence, **records):
    number = 10 * sequence
    messages = [answered(number + n, STEADY_S + n, 5) for n in range(3)]
    return Batch("local", sequence, messages, counters=[Count("messages_offered", "", 3)], **records)


def heard_of(author):
    return {"receipts": [Receipts("message:receive", "c", "m", author, 1, b"\0" * 4, b"\0" * 4, b"\0" * 8)]}


def too_long(sequence):
    return Batch("local", sequence, [answered(10 * sequence, STEADY_S, 5, retry_after_s=2**63)])


def until_written(keeper, messages):
    with gevent.Timeout(5):
        while True:
            with RunReader(keeper.folder) as run:
                if len(run.messages()) == messages:
                    return
            gevent.sleep(0.01)


@pytest.fixture
def keeper(tmp_path):
    return Keeper(tmp_path, info(spawned_ns=None, stopped_ns=None, ended_ns=None, ended_by=None))


def reasons(keeper):
    return json.loads((keeper.folder / "summary.json").read_text())["verdict"]["reasons"]


# --- a record that no file can hold
@pytest.mark.parametrize(
    "odd", [batch(1, **heard_of(f"eve {HALF}")), too_long(1)], ids=["half a character", "more than 64 bits"]
)
def test_a_record_that_cannot_be_written_holds_up_nothing_behind_it(keeper, odd):
    for each in (batch(0, **heard_of("eve")), odd, batch(2)):
        keeper.put(each)
    until_written(keeper, 6)
    with RunReader(keeper.folder) as run:
        assert run.message_ids() == ["msg-0", "msg-1", "msg-2", "msg-20", "msg-21", "msg-22"]
    assert keeper.seal() == NothingMeasured.exit_code


@pytest.mark.parametrize("place", [0, 2], ids=["the first", "the last"])
def test_a_report_that_was_left_out_makes_the_run_invalid_and_says_so(keeper, caplog, place):
    for sequence in range(3):
        keeper.put(batch(sequence, **heard_of(HALF) if sequence == place else {}))
    assert keeper.seal() == NothingMeasured.exit_code
    assert reasons(keeper)[0] == (
        "reports with records that cannot be written are left out: 1; the console says what was wrong with them"
    )
    assert "surrogates not allowed; a report of local is left out" in caplog.text


def test_where_all_can_be_written_nothing_is_left_out(keeper, caplog):
    keeper.put(batch(0, **heard_of("eve 😀")))
    keeper.seal()
    assert [reason for reason in reasons(keeper) if "left out" in reason] == []
    assert caplog.text == ""


# --- a disk that is full
@contextmanager
def full_disk(keeper):
    """No file of this process grows beyond what the log of the run has come to: writing more fails."""
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((keeper.folder / "run.db-wal").stat().st_size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))


def test_facts_and_records_that_came_while_the_disk_was_full_are_there_once_there_is_room(keeper, caplog):
    with full_disk(keeper):
        keeper.update(stopped_ns=7, ended_by="time")
        keeper.notice("the disk is full")
        keeper.put(batch(0))
        with gevent.Timeout(5):
            while "records wait in memory" not in caplog.text:
                gevent.sleep(0.01)
        with RunReader(keeper.folder) as run:
            assert (run.info.stopped_ns, len(run.messages())) == (None, 0)
    assert (keeper.info.stopped_ns, keeper.info.ended_by) == (7, "time")
    keeper.seal()
    with RunReader(keeper.folder) as run:
        assert (run.info.stopped_ns, run.info.ended_by, len(run.messages())) == (7, "time", 3)
        assert run.info.ended_ns is not None
        assert run.notices() == ["the disk is full"]


def test_facts_reach_the_file_with_the_next_that_can_be_written(keeper):
    with full_disk(keeper):
        keeper.update(stopped_ns=7)
    keeper.update(missing_processes=["worker-1"])
    with RunReader(keeper.folder) as run:
        assert (run.info.stopped_ns, run.info.missing_processes) == (7, ["worker-1"])


def test_a_disk_that_is_full_to_the_end_is_3_and_what_was_written_can_be_read(keeper, caplog):
    keeper.put(batch(0))
    until_written(keeper, 3)
    with full_disk(keeper):
        keeper.update(stopped_ns=7)
        assert keeper.seal() == NothingMeasured.exit_code
    assert "the run is not sealed" in caplog.text
    with RunReader(keeper.folder) as run:
        assert (len(run.messages()), run.info.ended_ns) == (3, None)
