"""Every record with every field comes back from `run.db`, and what cannot be read says why."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staged_run import NOW, STEADY_S, answered, batch, info, message, ordinary, stage

from loadtest.errors import RunFolderError
from loadtest.model import Batch, Connect, Count, Counts, Disconnect, Health, Outage, Outcome, Population
from loadtest.runs.columns import MISSING
from loadtest.runs.folder import create
from loadtest.runs.reader import RunReader
from loadtest.runs.writer import RunWriter

FULL = Batch(
    "worker-1",
    0,
    connects=[Connect("ann", "A", 1, "tls", True, "bad certificate", 2, 3, 4, 5, 6), Connect("ben", "B", 0, "refused")],
    disconnects=[Disconnect("ann", "A", 7, 1000, "bye", "client", 8), Disconnect("ben", "B", 9, 1006, "", "reset")],
    outages=[
        Outage("ann", "A", 1, 1006, "gone", True, 3, 4, 5, 6, 7, 8, "gave up"),
        Outage("ben", "B", 1, 1012, "", False, 0),
    ],
    histograms=[Counts("inter_chunk", Population.HEADLINE, 1, 2, b"\x00\x01\xff\x00", b"\x02\x00\x00\x00")],
    health=[Health("worker-1", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)],
    counters=[Count("frames_received", "", 2**40)],
)


@pytest.mark.parametrize("table", ["connects", "disconnects", "outages", "histograms", "health", "counters"])
def test_every_field_comes_back(tmp_path, table):
    with RunReader(stage(tmp_path, [FULL])) as run:
        assert getattr(run, table)() == getattr(FULL, table)


def test_the_facts_and_the_messages_come_back(tmp_path):
    messages = [answered(1, 30, 5), message(2, 31, Outcome.TIMEOUT, reason="no ack")]
    with RunReader(stage(tmp_path, [batch(messages)])) as run:
        columns = run.messages()
        assert run.info == info()
    assert columns.intended_ns.tolist() == [message.intended_ns for message in messages]
    assert columns.delivered_ns.tolist() == [messages[0].delivered_ns, MISSING]
    assert columns.outcome.counts() == {"delivered": 1, "timeout": 1}
    assert columns.reason.counts() == {None: 1, "no ack": 1}


def test_counters_add_up_over_batches_and_processes(tmp_path):
    parts = [Batch(name, n, counters=[Count("frames_sent", "", 5)]) for name, n in (("w1", 0), ("w1", 1), ("w2", 0))]
    with RunReader(stage(tmp_path, parts)) as run:
        assert run.counters() == [Count("frames_sent", "", 15)]


def test_what_is_not_known_is_missing_and_0_is_0(tmp_path):
    never, at_once = message(1, STEADY_S, sent_ns=None), message(2, STEADY_S, longest_stall_ns=0)
    with RunReader(stage(tmp_path, [batch([never, at_once])])) as run:
        messages = run.messages()
    assert messages.sent_ns.tolist() == [MISSING, at_once.sent_ns]
    assert messages.longest_stall_ns.tolist() == [MISSING, 0]


def test_a_run_without_messages_has_empty_columns(tmp_path):
    with RunReader(stage(tmp_path, [])) as run:
        messages = run.messages()
    assert (len(messages), messages.outcome.counts(), messages.sent_ns.tolist()) == (0, {}, [])


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"), min_size=1, max_size=5)


@settings(max_examples=25)  # each writes a run folder
@given(st.lists(st.none() | TEXTS, min_size=1, max_size=60))
def test_reasons_come_back_in_order_however_many_and_whatever_they_hold(tmp_path_factory, reasons):
    written = [message(n, STEADY_S, Outcome.ERROR, reason=reason) for n, reason in enumerate(reasons)]
    with RunReader(stage(tmp_path_factory.mktemp("run"), [batch(written)])) as run:
        read = run.messages().reason
    assert [read.names[code] for code in read.codes] == reasons


def change(folder, statement):
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("PRAGMA user_version = 2", "newer loadtest .schema 2.; upgrade"),
        ("DELETE FROM run", "killed before its first record"),
        ("UPDATE run SET value = '{}'", "cannot read run.db"),
        ("DROP TABLE run", "cannot read run.db: no such table"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, statement, complaint):
    folder = stage(tmp_path, [])
    change(folder, statement)
    with pytest.raises(RunFolderError, match=complaint):
        RunReader(folder)


def test_a_run_opens_by_its_folder_its_file_and_the_link_to_the_newest(tmp_path):
    folder = stage(tmp_path / "a #1 folder?", [])
    for path in (folder, folder / "run.db", folder.parent / "latest"):
        with RunReader(path) as run:
            assert run.folder == folder.resolve()


def test_a_separator_in_many_names_of_users_is_read_as_a_blank(tmp_path):
    messages = [msgspec.structs.replace(message(n, STEADY_S), user=f"u\x1f{n}") for n in range(50)]
    with RunReader(stage(tmp_path, [batch(messages)])) as run:
        users = run.messages().user
    assert [users.names[code] for code in users.codes] == [f"u {n}" for n in range(50)]


def test_a_batch_that_came_twice_counts_once(tmp_path):
    with RunReader(stage(tmp_path, [batch(ordinary()), batch(ordinary())])) as run:
        assert len(run.messages()) == 104


def test_a_gap_in_the_sequence_is_a_lost_batch(tmp_path):
    with RunReader(stage(tmp_path, [batch([], 0), batch([], 3)])) as run:
        assert run.lost_batches() == {"local": 2}


def test_a_run_that_still_goes_on_can_be_read(tmp_path):
    folder = create(tmp_path, "chat", NOW)
    with RunWriter(folder, info(ended_ns=None)) as writer:
        writer.write(batch(ordinary()))
        with RunReader(folder) as run:
            assert len(run.messages()) == 104


def test_a_file_of_an_older_version_lacks_columns_and_is_read_all_the_same(tmp_path):
    folder = stage(tmp_path, [batch([answered(1, 30, 5, handover_ns=7)], health=FULL.health)])
    with closing(sqlite3.connect(folder / "run.db")) as database:
        database.execute("ALTER TABLE messages DROP COLUMN handover_ns")
        database.execute("ALTER TABLE health DROP COLUMN steal_ns")
    with RunReader(folder) as run:
        assert run.messages().handover_ns.tolist() == [MISSING]
        assert [health.steal_ns for health in run.health()] == [None]


def test_a_log_that_cannot_be_copied_is_told(tmp_path):
    folder = stage(tmp_path, [batch(ordinary())])
    (folder / "run.db-wal").mkdir()
    with pytest.raises(RunFolderError, match=r"cannot read run\.db: .*Is a directory"):
        RunReader(folder)
