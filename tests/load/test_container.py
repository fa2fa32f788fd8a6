"""What containers allow: the files of both versions of control groups, and a real group."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtest.load.container import Containers, Cpu, Memory, ThrottleClock, Throttling, held_back_ns

SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = (
    "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
OTHERS = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"
STAT = "usage_usec 900000\nnr_periods 40\nnr_throttled 10\nthrottled_usec 5000\n"
STAT_1 = "nr_periods 40\nnr_throttled 10\nthrottled_time 5000000\n"
MS = 1_000_000
THROTTLED = Throttling(10, 5 * MS, 100 * MS)
"""What both of these say, with periods of 100 ms."""


@pytest.fixture
def system(tmp_path):
    """Write a file of a system; `proc/self/mountinfo` and so on."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write.root = tmp_path
    return write


def containers(system, *pids, beside=None):
    return Containers(pids, beside, system.root)


def throttling(found):
    """By the name of each group."""
    return {folder.name: counts for folder, counts in found.throttling.items()}


@pytest.fixture
def version_2(system):
    system("proc/self/mountinfo", OTHERS + SECOND)
    system("proc/7/cgroup", "0::/docker/abc\n")
    system("sys/fs/cgroup/docker/abc/cpu.max", "150000 100000\n")
    system("sys/fs/cgroup/docker/abc/cpu.stat", STAT)
    system("sys/fs/cgroup/docker/abc/memory.max", "1073741824\n")
    system("sys/fs/cgroup/docker/abc/memory.current", "700\n")
    system("sys/fs/cgroup/docker/abc/memory.stat", "anon 300\ninactive_file 200\n")
    return system


@pytest.fixture
def version_1(system):
    system("proc/self/mountinfo", OTHERS + FIRST)
    system("proc/7/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.stat", STAT_1)
    system("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n")
    system("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "700\n")
    system("sys/fs/cgroup/memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n")
    return system


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_a_container_of_either_version(request, version):
    found = containers(request.getfixturevalue(version), 7)
    assert found.cpu().cores == 1.5
    assert throttling(found.cpu()) == {"abc": THROTTLED}
    assert found.memory() == Memory(500, 2**30)


def test_what_is_changed_under_way_is_seen(version_2):
    found = containers(version_2, 7)
    version_2("sys/fs/cgroup/docker/abc/cpu.max", "50000 100000\n")
    assert found.cpu().cores == 0.5


def test_seen_from_within_a_container_that_mounts_its_own_group(system):
    system("proc/self/mountinfo", FIRST.replace(" / ", " /docker/abc "))
    system("proc/7/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc/sub\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert containers(system, 7).cpu().cores == 2.0


@pytest.mark.parametrize(("root", "group"), [("/docker/abc", "/docker/other"), ("/", "/../other")])
def test_a_group_that_cannot_be_seen_from_here_tells_nothing(system, root, group):
    system("proc/self/mountinfo", SECOND.replace(" / ", f" {root} "))
    system("proc/7/cgroup", f"0::{group}\n")
    system("sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert containers(system, 7).cpu() == Cpu()


def test_no_limit_is_none(system):
    system("proc/self/mountinfo", SECOND + FIRST)
    system("proc/7/cgroup", "4:memory:/\n3:cpu:/\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    system("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    system("sys/fs/cgroup/memory/memory.usage_in_bytes", "700\n")
    system("proc/8/cgroup", "0::/\n")
    system("sys/fs/cgroup/cpu.max", "max 100000\n")
    system("sys/fs/cgroup/memory.max", "max\n")
    for pid in (7, 8):
        assert (containers(system, pid).cpu(), containers(system, pid).memory()) == (Cpu(), None)


@pytest.fixture
def groups(system):
    """`groups(pid, group)` puts a process in one; `groups.limit(group, cores, memory)` makes its limits."""
    system("proc/self/mountinfo", SECOND)

    def put(pid, group):
        system(f"proc/{pid}/cgroup", f"0::{group}\n")

    def limit(group, cores, memory=(0, 1000)):
        system(f"sys/fs/cgroup{group}/cpu.max", f"{round(cores * 100_000)} 100000\n")
        system(f"sys/fs/cgroup{group}/cpu.stat", STAT)
        system(f"sys/fs/cgroup{group}/memory.current", f"{memory[0]}\n")
        system(f"sys/fs/cgroup{group}/memory.max", f"{memory[1]}\n")

    put.root, put.limit = system.root, limit
    return put


def test_the_tightest_of_the_groups_that_a_process_is_in_binds_and_each_may_hold_it_back(groups):
    groups(7, "/pod/container")
    groups.limit("/pod", 1.0, (900, 1000))
    groups.limit("/pod/container", 4.0, (100, 500))
    found = containers(groups, 7)
    assert found.cpu().cores == 1.0
    assert throttling(found.cpu()) == {"pod": THROTTLED, "container": THROTTLED}
    assert found.memory() == Memory(900, 1000)


def test_of_several_containers_the_limits_add_up_each_once(groups):
    for pid, name in ((7, "/one"), (8, "/two"), (9, "/two")):
        groups(pid, name)
        groups.limit(name, 1.0)
    assert containers(groups, 7, 8, 9).cpu().cores == 2.0


def test_they_add_up_to_no_more_than_what_holds_for_all_of_them(groups):
    for pid, name in ((7, "/pod/one"), (8, "/pod/two")):
        groups(pid, name)
        groups.limit(name, 1.5)
    groups.limit("/pod", 2.0)
    assert containers(groups, 7, 8).cpu().cores == 2.0
    groups(9, "/pod")
    assert containers(groups, 7, 9).cpu().cores == 2.0
    groups(10, "/other")
    groups.limit("/other", 1.0)
    assert containers(groups, 7, 8, 10).cpu().cores == 3.0


def test_together_they_have_no_limit_where_one_of_them_has_none(groups):
    groups(7, "/one")
    groups.limit("/one", 1.0)
    groups(8, "/")
    assert containers(groups, 7, 8).cpu().cores is None


def test_a_process_that_has_ended_changes_nothing(groups):
    groups(7, "/one")
    groups.limit("/one", 1.0)
    assert containers(groups, 7, 4_000).cpu().cores == 1.0


def test_a_limit_that_is_shared_with_the_load_generator_is_not_the_servers(groups):
    groups(7, "/job/server")
    groups(8, "/job")
    groups.limit("/job", 2.0)
    assert containers(groups, 7, beside=8).cpu() == Cpu()
    groups.limit("/job/server", 1.0)
    assert throttling(containers(groups, 7, beside=8).cpu()) == {"server": THROTTLED}


def test_where_there_are_no_control_groups_there_is_no_limit(system):
    assert (containers(system, 7).cpu(), containers(system, 7).memory()) == (Cpu(), None)


@pytest.mark.parametrize(
    "text", ["", "\n", "x", "- - -", "30 23 0:26 / /sys/fs/cgroup rw - tmpfs  rw\n", "\x85 \u2028"]
)
@pytest.mark.parametrize(
    "name",
    ["proc/self/mountinfo", "proc/7/cgroup", *(f"sys/fs/cgroup/docker/abc/{file}" for file in
     ("cpu.max", "cpu.stat", "memory.max", "memory.current", "memory.stat"))],
)  # fmt: skip
def test_files_of_any_content_are_no_mistake(version_2, name, text):
    version_2(name, text)
    found = containers(version_2, 7)
    assert found.cpu().cores in (None, 1.5)
    assert found.memory() in (None, Memory(500, 2**30), Memory(700, 2**30))


@pytest.mark.parametrize("limit", ["150000 0", "0 100000", "-1 100000", "\u00b2 100000"])
def test_a_quota_that_is_none_is_no_limit(version_2, limit):
    version_2("sys/fs/cgroup/docker/abc/cpu.max", f"{limit}\n")
    assert containers(version_2, 7).cpu() == Cpu()


# --- how long that held them back
ONE, TWO = Path("/one"), Path("/two")


def since(before, now):
    return held_back_ns(Cpu(1.0, before), Cpu(1.0, now))


@pytest.mark.parametrize(
    ("throttled", "waited_ms", "held_back_ms"),
    [(0, 0, 0), (3, 30, 30), (3, 900, 300)],
    ids=["not at all", "as long as it waited", "no longer than the periods, however many cores waited"],
)
def test_how_long_a_quota_held_something_back(throttled, waited_ms, held_back_ms):
    before = {ONE: Throttling(10, 5 * MS, 100 * MS)}
    now = {ONE: Throttling(10 + throttled, (5 + waited_ms) * MS, 100 * MS)}
    assert since(before, now) == held_back_ms * MS


def test_of_several_groups_the_one_that_held_it_back_the_longest_counts():
    before = dict.fromkeys((ONE, TWO), Throttling(0, 0, 100 * MS))
    now = {ONE: Throttling(1, 20 * MS, 100 * MS), TWO: Throttling(1, 70 * MS, 100 * MS)}
    assert since(before, now) == 70 * MS


def test_a_group_that_was_not_there_before_says_nothing_of_the_time_between():
    old = Throttling(800_000, 9_000_000 * MS, 100 * MS)
    assert since({ONE: old}, {TWO: old}) is None
    assert since({ONE: old}, {ONE: Throttling(0, 0, 100 * MS)}) is None


# --- the real thing ---------------------------------------------------------------------------------------------------
HOG = "print('ready', flush=True)\nwhile True: pass"


def made_group(stack):
    """A group of this system with a quota of a fifth of a core, and the file that takes its processes."""
    name = f"loadtest-test-{os.getpid()}"
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    version_1 = (first / "cpu.cfs_quota_us").exists() or (first / "tasks").exists()
    folder = (first if version_1 else second) / name
    folder.mkdir()
    stack.callback(folder.rmdir)
    if version_1:
        (folder / "cpu.cfs_quota_us").write_text("20000")
    else:
        (folder / "cpu.max").write_text("20000 100000")
    return folder / "cgroup.procs"


def test_a_process_that_is_held_back_is_seen_to_be():
    with ExitStack() as stack:
        hog = subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE)
        stack.callback(hog.stdout.close)
        assert hog.stdout.readline() == b"ready\n"
        try:
            made_group(stack).write_text(str(hog.pid))
        except OSError as error:
            pytest.skip(f"takes root, and control groups that may be made: {error}")
        finally:
            stack.callback(hog.wait)  # before the group goes
            stack.callback(hog.kill)
        containers, clock = Containers([hog.pid]), ThrottleClock(hog.pid)
        began, held_back = time.monotonic_ns(), 0
        while not held_back and time.monotonic_ns() - began < 10**10:
            time.sleep(0.05)
            held_back = clock.passed_ns()
        took = time.monotonic_ns() - began
        cores = containers.cpu().cores
    assert cores == pytest.approx(0.2)
    assert 0 < held_back <= took + 200 * MS  # it may have begun in the period before
