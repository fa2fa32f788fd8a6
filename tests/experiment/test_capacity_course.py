"""The course of a capacity search, with levels that are only pretended: times, state, resuming, what stops it."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress

import msgspec
import pytest
from staged_levels import ACK, asked, summary

from loadtest.analysis.capacity import Level
from loadtest.analysis.capacity import capacity as found
from loadtest.analysis.capacity import level as judged
from loadtest.analysis.capacity_search import Step, Word
from loadtest.commands.capacity_lines import line_of, plan_line
from loadtest.errors import RunFolderError, UsageError
from loadtest.experiment import capacity
from loadtest.experiment.capacity import Begun, Record, Told, carry_on, check_load, new, restore, save
from loadtest.experiment.capacity_plan import Plan, enough_connects, enough_messages, first_users, lost_when

OBJECTIVE = "ack_delivered.p99 < 250ms"


def plan(**changes):
    facts = {
        "host": "ws://a/ws", "start": 100, "most": None, "precision": 0.1, "settle_s": 10.0, "run_time_s": 20.0,
        "spawn_rate": 200.0, "user_per_s": 8 / 60, "reply_timeout_s": 30.0, "processes": 0, "locustfile": "chat",
        "classes": ["WithinLimitUser"], "objectives": [OBJECTIVE], "options": [], "withheld": [], "seed": 1,
        "first_user": 0, "same_users": False, "rest_s": 0.0,
    }  # fmt: skip
    return Plan(**facts | changes)


def level(users, verdict, **changes):
    facts = {
        "users": users, "run": f"run-{users}", "verdict": verdict, "reason": "" if verdict is Word.PASS else OBJECTIVE,
        "decisive": None if verdict is Word.PASS else OBJECTIVE,
        "sent_per_s": users / 7.5, "delivered_per_s": users / 7.5, "streams": users / 5, "in_flight": None,
        "in_flight_per_s": None, "lost": 0, "generator_cpu": 0.1, "connected": users, "answer_s": 1.5, "full": [],
        "objectives": [],
    }  # fmt: skip
    return Level(**facts | changes)


@pytest.fixture
def pretend(monkeypatch):
    """Levels of a server that holds so many users; `pretend.fate` may raise at a number of users."""

    class Pretend:
        holds, beyond, fate = 700, Word.FAIL, staticmethod(lambda _users: None)

    pretend = Pretend()
    pretend.run = []

    def run(_plan, step, _levels, _folder, _url, _secrets):
        users = step.users
        pretend.fate(users)
        pretend.run.append(users)
        return level(users, Word.PASS if users <= pretend.holds else pretend.beyond)

    monkeypatch.setattr(capacity, "_level", run)
    return pretend


def search(folder, record, max_time_s=1e6):
    told = []
    return carry_on(record, folder, "ws://a/ws", {}, told.append, max_time_s), told


def test_a_search_finds_the_bracket_and_keeps_every_level(tmp_path, pretend):
    record, told = search(tmp_path, new(plan()))
    assert pretend.run == [100, 200, 400, 800, 600, 700, 750]
    assert (record.max_users, record.fails_at_users, record.ended) == (700, 750, "found")
    assert record.max_messages_per_s == 700 / 7.5
    assert [each.step.users for each in told if isinstance(each, Begun)] == pretend.run
    assert [each.level.users for each in told if isinstance(each, Told)] == pretend.run
    assert restore(tmp_path) == record


def test_the_file_is_the_contract(tmp_path, pretend):
    search(tmp_path, new(plan()))
    content = json.loads((tmp_path / "capacity.json").read_text())
    contract = ("schema", "max_users", "fails_at_users", "max_messages_per_s", "limited_by", "levels")
    assert set(contract) <= set(content)
    assert (content["schema"], content["max_users"], content["fails_at_users"]) == (1, 700, 750)
    assert [each["verdict"] for each in content["levels"]] == ["pass"] * 3 + ["fail"] + ["pass"] * 2 + ["fail"]


def test_what_is_broken_off_goes_on_where_it_was(tmp_path, pretend):
    def interrupt(users):
        if users == 600:
            raise KeyboardInterrupt

    pretend.fate = interrupt
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, new(plan()))
    kept = restore(tmp_path)
    assert (kept.ended, [each.users for each in kept.levels]) == (None, [100, 200, 400, 800])
    pretend.fate = lambda _users: None
    record, _ = search(tmp_path, kept)
    assert (record.max_users, record.fails_at_users) == (700, 750)


def test_a_server_that_dies_stops_the_search_and_what_was_found_is_kept(tmp_path, pretend):
    def dead(users):
        if users == 400:
            raise UsageError("--host: nobody listens at ws://a/ws; start the backend")

    pretend.fate = dead
    record, _ = search(tmp_path, new(plan()))
    assert record.stopped == "level of 400 users: --host: nobody listens at ws://a/ws; start the backend"
    assert (record.max_users, record.fails_at_users, record.ended) == (200, None, None)
    assert restore(tmp_path) == record


@pytest.mark.parametrize("verdict", [Word.FAIL, Word.INCONCLUSIVE, Word.UNSOUND])
def test_a_server_that_dies_under_a_level_is_none_that_fails_it(verdict, tmp_path, pretend):
    """Kept, the level would bound the search for ever, or cost it a try, however often that is resumed."""
    pretend.beyond = verdict
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"

    def dies(users):
        if users == 800:
            listener.close()

    pretend.fate = dies
    record = carry_on(new(plan()), tmp_path, url, {}, lambda _told: None, 1e6)
    assert [each.users for each in record.levels] == [100, 200, 400]
    assert record.stopped.startswith(f"level of 800 users: --host: nobody listens at {url} any more, so the level says")
    assert restore(tmp_path) == record


def test_a_load_that_a_shape_decides_on_is_refused():
    with pytest.raises(UsageError, match="--locustfile: it has a shape, which decides on the users in place of"):
        check_load(summary(100, [], run={"users": None, "window": {"start_s": 10.0, "stop_s": 30.0}}))
    check_load(summary(100, []))


def test_a_level_that_there_may_be_no_time_for_is_not_begun(tmp_path, pretend):
    first = plan().longest_s(Step(100))
    record, _ = search(tmp_path, new(plan()), max_time_s=first + 1)
    assert pretend.run == [100, 200, 400, 800, 600, 700, 750]  # pretended levels take no time
    record, _ = search(tmp_path, new(plan()), max_time_s=first - 1)
    assert (record.levels, record.ended, record.limited_by) == ([], "--max-time", "--max-time")


# --- times ------------------------------------------------------------------------------------------------------------
def test_a_level_of_few_users_lasts_until_it_has_enough_messages():
    assert enough_messages([OBJECTIVE]) == 552  # 1.5 x 368
    few, many = plan().timing(Step(100)), plan().timing(Step(1_000))
    assert (few.ramp_s, few.settle_s, few.measured_s) == (0.5, 10.0, 41.4)
    assert (many.ramp_s, many.measured_s) == (5.0, 20.0)
    assert many.run_s == 36.0
    assert plan(start=1).timing(Step(1)).measured_s == 60.0  # three times as long, and no more


def test_below_a_first_level_that_failed_a_level_lasts_as_long_as_its_verdict_takes():
    assert plan().timing(Step(25)).measured_s == 165.6  # 552 messages of 25 users
    assert plan().range.least == 21  # who send them in 10 x 20 s
    assert plan().timing(Step(21)).measured_s == pytest.approx(200.0, abs=3)


def test_a_level_that_is_run_again_to_be_told_is_measured_so_many_times_as_long():
    usual, longer = plan().timing(Step(1_000)), plan().timing(Step(1_000, 2.5))
    assert (longer.ramp_s, longer.settle_s, longer.measured_s) == (usual.ramp_s, usual.settle_s, 50.0)
    told = line_of(Begun(Step(1_000, 2.5), True, longer.expected_s))
    assert told == "1,000 users again, 2.5 times as long to be told: about 1 min 14 s"


def test_it_is_so_many_times_as_long_as_the_first_of_so_many_users_was():
    before = [level(1_000, Word.INCONCLUSIVE, measured_s=30.0), level(2_000, Word.FAIL, measured_s=20.0)]
    assert plan().timing(Step(1_000, 2.5), before).measured_s == 75.0


def test_a_level_that_is_run_again_is_no_longer_than_the_longest_of_few_users():
    assert plan().fits(Step(1_000, 6.0), [], 1e6)
    assert plan().fits(Step(25), [], 1e6)
    assert not plan().fits(Step(25, 1.5), [], 1e6)  # 1.5 x 165.6 s


def test_a_longer_level_that_there_is_no_time_for_keeps_no_other_from_being_run(tmp_path, pretend, monkeypatch):
    unsure = judged(summary(200, [asked(ACK, 240.0, "inconclusive", needed=4_000)]), 200, "run-200")
    run = capacity._level
    told = lambda plan, step, *rest: unsure if step.users == 200 else run(plan, step, *rest)  # noqa: E731
    monkeypatch.setattr(capacity, "_level", told)
    monkeypatch.setattr(Plan, "longest_s", lambda _plan, step, _levels=(): 1e9 if step.times > 1 else 1.0)
    record, _ = search(tmp_path, new(plan(most=800)), max_time_s=1e6)
    assert (record.max_users, record.fails_at_users, record.ended) == (700, 750, "found")


def test_objectives_on_connections_take_users():
    assert enough_connects([OBJECTIVE, "lost == 0"]) == 1
    assert enough_connects([OBJECTIVE, "connect.p99 < 1s"]) == 552
    assert first_users(["connect_ratio > 99%"], 8 / 60, 20.0) == 552
    assert plan(objectives=["connect.p99 < 1s"]).range.least == 552


def test_what_users_send_is_read_of_the_level_before():
    """Of classes that send half of what the options say, a level takes twice as long."""
    before = level(100, Word.PASS, sent_per_s=100 / 15)
    assert plan().timing(Step(200), [before]).measured_s == 41.4
    assert plan().timing(Step(200), [level(100, Word.PASS, sent_per_s=None)]).measured_s == 20.7


def test_minted_users_are_new_in_each_level_and_those_of_a_file_are_the_same():
    before = [level(100, Word.PASS), level(200, Word.PASS)]
    assert plan(first_user=5_000).first_of([]) == 5_000
    assert plan(first_user=5_000).first_of(before) == 5_300
    assert plan(first_user=5_000, same_users=True).first_of(before) == 5_000


def test_a_level_settles_for_two_answers_of_the_last_one():
    assert plan().timing(Step(200), [level(100, Word.PASS, answer_s=14.0)]).settle_s == 28.0
    assert plan().timing(Step(200), [level(100, Word.PASS, answer_s=500.0)]).settle_s == 60.0


def test_what_an_overloaded_server_took_for_its_answers_is_no_measure_for_fewer_users():
    seen = [level(100, Word.PASS, answer_s=6.0), level(200, Word.FAIL, answer_s=30.0)]
    assert plan().timing(Step(150), seen).settle_s == 12.0
    assert plan().timing(Step(50), seen).settle_s == 10.0


def test_the_first_level_has_enough_users_for_a_verdict():
    assert first_users([OBJECTIVE], 8 / 60, 20.0) == 100
    assert first_users(["ack_delivered.p99.9 < 1s"], 8 / 60, 20.0) == 692
    assert first_users(["delivered_ratio > 99.9%"], 8 / 60, 20.0) == 692
    assert first_users(["lost < 1"], 8 / 60, 20.0) == 100


def test_with_its_own_settings_a_search_that_never_fails_ends_within_its_time():
    levels = plan().passing(480.0)
    assert levels == [Step(100 * 2**place) for place in range(len(levels))]
    spent = sum(plan().timing(step).expected_s for step in levels[:-1]) + plan().longest_s(levels[-1])
    assert len(levels) >= 5
    assert spent <= 480.0
    assert plan(most=250).passing(480.0) == [Step(100), Step(200), Step(250)]


PASSED = [level(users, Word.PASS) for users in (100, 200, 400)]


def test_a_search_that_goes_on_has_the_levels_before_it_that_are_left():
    assert plan().passing(150.0, PASSED[:2]) == [Step(400), Step(800)]
    assert plan(precision=0.2).passing(480.0, [*PASSED, level(800, Word.FAIL)]) == [Step(600), Step(700)]


@pytest.mark.parametrize(
    ("done", "line"),
    [
        ([], "plan: levels from 100 users on, doubling, each 10 s settle + 20 s (41 s at first); "),
        (PASSED[:1], "plan: 1 level done, levels from 200 users on, doubling, each 10 s settle + 20 s; "),
        (PASSED, "plan: 3 levels done, levels from 800 users on, doubling, each 10 s settle + 20 s; "),
        ([level(100, Word.FAIL)], "plan: 1 level done, levels below 100 users, 25 first, each 10 s settle + 20 s (2 m"),
        (
            [*PASSED, level(800, Word.FAIL)],
            "plan: 4 levels done, levels between 400 and 800 users, 600 first, each 10 s settle + 20 s; ",
        ),
    ],
)
def test_the_plan_is_of_what_is_left(done, line):
    told = plan_line(plan(), done, 480.0)
    assert told.startswith(line)
    assert re.fullmatch(r".*; 8 min with ramps, about [\d,]+ messages if every level passes", told)


def test_of_a_search_that_has_come_to_its_end_nothing_is_left():
    done = [*PASSED, *(level(users, Word.FAIL) for users in (800, 600, 500, 440))]
    assert plan_line(plan(), done, 480.0) == "plan: 7 levels done, and none is left to run"


def test_a_level_is_lost_when_an_objective_has_failed():
    asked = [OBJECTIVE, "delivered_ratio >= 99%", "ttft.max < 3s", "lost == 0", "stream_rate.p50 > 20chars/s"]
    assert lost_when(asked) == ["ack_delivered.p99 >= 250ms", "delivered_ratio < 99%"]


# --- for real ---------------------------------------------------------------------------------------------------------
@pytest.mark.long
def test_a_search_on_a_server_of_known_capacity(start_reference_server, tmp_path):
    """50 ms of one core for each message, at random: p50 reaches 400 ms at 20/s - ln(2) / 400 ms, which is 18 users."""
    server = start_reference_server("--fault", "cpu-random:50ms", "--rate-limit", "none", "--no-ai")
    words = (
        *("--host", server.url, "--results", str(tmp_path / "results"), "--slo", "ack_delivered.p50 < 400ms"),
        *("--rate-limit", "none", "--message-rate", "60/60s", "--expect-stream", "no", "--reply-timeout", "5s"),
        *("--start-users", "7", "--precision", "100%", "--settle", "1s", "--run-time", "5s", "--format", "json"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "capacity", *words],
        env=os.environ | {"LOADTEST_JWT_SECRET": server.secret},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["max_users"] <= 18 < found["fails_at_users"], done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    runs = [json.loads((folder / each["run"] / "summary.json").read_text())["run"] for each in found["levels"]]
    assert [run["users"] for run in runs] == [each["users"] for each in found["levels"]]
    firsts = [run["options"]["first_user"] for run in runs]
    assert firsts == [sum(run["users"] for run in runs[:place]) for place in range(len(runs))]  # no user comes twice


QUICK = ("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")


class Resumed:
    """`loadtest capacity --resume` of a search in which a level of eight users has passed: the next is one of 16.

    Args:
        folder: of the search.
        options: of its runs.
        within: words in front of the command.
        environment: secrets.
    """

    def __init__(self, folder, host, *options, within=(), **environment):
        self.folder = folder
        folder.mkdir()
        result = asked(ACK, 20.0, ci95=(18.0, 23.0))
        answers = {"stream_completion": {"unit": "ms", "count": 128, "mean": 50.0}}
        before = [judged(summary(8, [result], metrics=answers), 8, "run-8")]
        terms = {
            "host": host,
            "start": 8,
            "settle_s": 1.0,
            "run_time_s": 1.0,
            "user_per_s": 20.0,
            "reply_timeout_s": 3.0,
        }
        own = ["--rate-limit=none", "--message-rate=20/1s", "--reply-timeout=3s", *options]
        searched = plan(objectives=[ACK], options=own, same_users=True, **terms)
        save(folder, Record(**msgspec.structs.asdict(found(before)), plan=searched))
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "loadtest", "capacity", "--resume", str(folder)],
            env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip

    def until_under_way(self):
        """Wait until its level has records."""
        for _ in range(600):
            if (self.folder / "latest" / "run.db").exists() and self._answered():
                return
            assert self._process.poll() is None, self._process.communicate()
            time.sleep(0.1)
        pytest.fail("did not happen within a minute")

    def _answered(self):
        with closing(sqlite3.connect(f"file:{self.folder / 'latest' / 'run.db'}?mode=ro", uri=True)) as db:
            with suppress(sqlite3.OperationalError):  # the tables are not there yet
                return db.execute("SELECT count(*) FROM messages").fetchone()[0] > 0
            return False

    def assert_stopped(self, line):
        """It has told why, and kept and marked what it had found by then."""
        out, err = self._process.communicate(timeout=100)
        assert (self._process.returncode, "Traceback" in err) == (2, False), err
        told = f"{line}[^\\n]*; what was found until then is kept, and loadtest capacity --resume {self.folder} goes on"
        assert re.fullmatch(f"loadtest: error: level of 16 users: {told}", err.splitlines()[-1]), err
        assert "BROKEN OFF: holds 8 users or more" in out
        kept = restore(self.folder)
        assert (kept.max_users, kept.fails_at_users, kept.ended) == (8, None, None)
        assert re.match(f"level of 16 users: {line}", kept.stopped)
        assert (self.folder / "capacity.png").is_file()

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def resume(tmp_path):
    with ExitStack() as stack:

        def start(*words, **named):
            search = Resumed(tmp_path / "search", *words, **named)
            stack.callback(search.kill)
            return search

        yield start


def test_a_search_that_has_fewer_tokens_than_users_stops_there(start_reference_server, resume, tmp_path):
    (tokens := tmp_path / "tokens.txt").write_text("".join(f"token-{place}\n" for place in range(10)))
    search = resume(start_reference_server(*QUICK).url, f"--tokens-file={tokens}")
    search.assert_stopped("--tokens-file: holds 10 tokens for 16 users")


@pytest.mark.long
def test_a_search_whose_server_is_killed_in_its_middle_stops_there(start_reference_server, resume):
    server = start_reference_server(*QUICK)
    search = resume(server.url, LOADTEST_JWT_SECRET=server.secret)
    search.until_under_way()
    server.kill()
    search.assert_stopped(f"--host: nobody listens at {server.url}")


PORTS = 12
FEW_PORTS = (
    *("unshare", "--user", "--map-root-user", "--net", "sh", "-c"),
    f'ip link set lo up && echo 40000 {40_000 + PORTS - 1} > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"',
    "sh",
)


def can_have_few_ports():
    try:
        return subprocess.run([*FEW_PORTS, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_have_few_ports(), reason="this system gives a process no network, and ports, of its own")
def test_a_search_that_has_fewer_ports_than_users_stops_there(resume):
    search = resume(None, within=FEW_PORTS)  # it starts a reference server, within as well
    search.assert_stopped(
        f"--users: 16 connections from 1 address of {PORTS} ports each are 4 too many; give 2 addresses"
    )


# --- the record -------------------------------------------------------------------------------------------------------
def test_a_folder_without_a_search_and_one_of_a_newer_version_are_refused(tmp_path):
    with pytest.raises(RunFolderError, match="give the folder of a capacity"):
        restore(tmp_path)
    (tmp_path / "capacity.json").write_text("{}")
    with pytest.raises(RunFolderError, match="cannot be read"):
        restore(tmp_path)
    save(tmp_path, new(plan()))
    text = (tmp_path / "capacity.json").read_text().replace('"schema": 1', '"schema": 99')
    (tmp_path / "capacity.json").write_text(text)
    with pytest.raises(RunFolderError, match="newer loadtest"):
        restore(tmp_path)
