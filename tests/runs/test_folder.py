"""Where a run lies, under which name, and what others find in it."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from staged_run import NOW, batch, ordinary, stage

from loadtest.errors import RunFolderError
from loadtest.runs.folder import create, create_apart

CONTRACT = {
    "user", "class", "conversation", "message_id", "intended_ns", "sent_ns", "received_ns", "delivered_ns",
    "first_content_ns", "completed_ns", "outcome", "stream_state",
}  # fmt: skip


def test_what_takes_several_runs_has_a_folder_of_its_own_and_moves_no_link(tmp_path):
    run = create(tmp_path, "chat", NOW)
    assert create_apart(tmp_path, "selftest", NOW).name == "selftest-20261124T020000Z"
    assert (tmp_path / "latest").resolve() == run


def test_folders_are_named_after_the_instant_and_the_scenario(tmp_path):
    names = [create(tmp_path / "results", "my chat/1", NOW).name for _ in range(3)]
    assert names == ["20261124T020000Z-my-chat-1", "20261124T020000Z-my-chat-1-2", "20261124T020000Z-my-chat-1-3"]


def test_latest_is_a_relative_link_to_the_newest(tmp_path):
    create(tmp_path, "a", NOW)
    create(tmp_path, "b", NOW)
    assert os.readlink(tmp_path / "latest") == "20261124T020000Z-b"


def test_a_copy_that_an_archive_made_of_latest_gives_way_and_nothing_else_does(tmp_path):
    run = stage(tmp_path, [batch(ordinary())])
    (tmp_path / "latest").unlink()
    shutil.copytree(run, tmp_path / "latest")
    newest = create(tmp_path, "chat", NOW)
    assert (tmp_path / "latest").readlink().name == newest.name
    (tmp_path / "latest").unlink()
    shutil.move(run, tmp_path / "latest")  # the only one of its kind
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunFolderError, match=r"^--results: .*latest is no link, and no copy of a run beside it"):
        create(tmp_path, "chat", NOW)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_in_the_way_is_told_with_the_option(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(RunFolderError, match=r"^--results: .*name a folder"):
        create(tmp_path / "results", "chat", NOW)


def test_the_columns_that_others_rely_on(tmp_path):
    with closing(sqlite3.connect(stage(tmp_path, [batch(ordinary())]) / "run.db")) as db:
        assert {row[1] for row in db.execute("PRAGMA table_info(messages)")} >= CONTRACT
        assert {row[1] for row in db.execute("PRAGMA table_info(outages)")} >= {"user", "class", "lost_ns"}
