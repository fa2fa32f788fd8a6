"""The run folder: what is written is read, whatever became of the run."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from staged_run import answered, batch, info, message, ordinary, stage

from loadtest.errors import RunFolderError
from loadtest.model import Health, Outcome
from loadtest.runs.columns import MISSING
from loadtest.runs.folder import create
from loadtest.runs.reader import RunReader
from loadtest.runs.writer import RunWriter

NOW = datetime(2026, 11, 24, 2, 3, 4, tzinfo=UTC)
CONTRACT = {
    "user", "class", "conversation", "message_id", "intended_ns", "sent_ns", "received_ns", "delivered_ns",
    "first_content_ns", "completed_ns", "outcome", "stream_state",
}  # fmt: skip


def test_folders_are_named_after_the_instant_and_the_scenario(tmp_path):
    names = [create(tmp_path / "results", "my chat/1", NOW).name for _ in range(3)]
    assert names == ["20261124T020304Z-my-chat-1", "20261124T020304Z-my-chat-1-2", "20261124T020304Z-my-chat-1-3"]


def test_latest_is_a_relative_link_to_the_newest(tmp_path):
    create(tmp_path, "a", NOW)
    create(tmp_path, "b", NOW)
    assert os.readlink(tmp_path / "latest") == "20261124T020304Z-b"


def test_a_file_in_the_way_is_told_with_the_option(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(RunFolderError, match=r"^--results: .*name a folder"):
        create(tmp_path / "results", "chat", NOW)


def test_the_columns_that_others_rely_on(tmp_path):
    with closing(sqlite3.connect(stage(tmp_path, [batch(ordinary())]) / "run.db")) as db:
        assert {row[1] for row in db.execute("PRAGMA table_info(messages)")} >= CONTRACT
        assert {row[1] for row in db.execute("PRAGMA table_info(outages)")} >= {"user", "class", "lost_ns"}


def test_what_is_written_is_read(tmp_path):
    health = Health("local", 5, 4, 3, 3, 100, 7, 8, 9, 10, 11)
    written = batch([answered(1, 30, 5), message(2, 31, Outcome.TIMEOUT, reason="no ack")], health=[health])
    with RunReader(stage(tmp_path, [written])) as run:
        messages = run.messages()
        assert run.info == info()
        assert run.connects() == written.connects
        assert run.disconnects() == written.disconnects
        assert run.outages() == written.outages
        assert run.health() == [health]
        assert {(count.name, count.value) for count in run.counters()} >= {
            ("messages_offered", 2),
            ("unknown_event", 2),
        }
    assert messages.intended_ns.tolist() == [message.intended_ns for message in written.messages]
    assert messages.delivered_ns.tolist() == [written.messages[0].delivered_ns, MISSING]
    assert messages.outcome.counts() == {"delivered": 1, "timeout": 1}
    assert messages.reason.counts() == {None: 1, "no ack": 1}


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
