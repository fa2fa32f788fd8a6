"""What containers allow: the files of both versions of control groups, and a real group."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtest.load.container import Allowance, Containers

SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = (
    "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
OTHERS = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"
STAT = "usage_usec 900000\nnr_periods 40\nnr_throttled 10\nthrottled_usec 5000\n"


@pytest.fixture
def system(tmp_path):
    """Write a file of a system; `proc/self/mountinfo` and so on."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write.root = tmp_path
    return write


def allowance(system, *pids):
    return Containers(pids, system.root).read()


def test_a_container_of_version_2(system):
    system("proc/self/mountinfo", OTHERS + SECOND)
    system("proc/7/cgroup", "0::/docker/abc\n")
    system("sys/fs/cgroup/docker/abc/cpu.max", "150000 100000\n")
    system("sys/fs/cgroup/docker/abc/cpu.stat", STAT)
    system("sys/fs/cgroup/docker/abc/memory.max", "1073741824\n")
    assert allowance(system, 7) == Allowance(1.5, 40, 10, 2**30)


def test_a_container_of_version_1(system):
    system("proc/self/mountinfo", OTHERS + FIRST)
    system("proc/7/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "50000\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n")
    system("sys/fs/cgroup/cpu/docker/abc/cpu.stat", STAT)
    system("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n")
    assert allowance(system, 7) == Allowance(0.5, 40, 10, 2**30)


def test_seen_from_within_a_container_that_mounts_its_own_group(system):
    system("proc/self/mountinfo", FIRST.replace(" / ", " /docker/abc "))
    system("proc/7/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc/sub\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert allowance(system, 7) == Allowance(cores=2.0)


@pytest.mark.parametrize(("root", "group"), [("/docker/abc", "/docker/other"), ("/", "/../other")])
def test_a_group_that_cannot_be_seen_from_here_tells_nothing(system, root, group):
    system("proc/self/mountinfo", SECOND.replace(" / ", f" {root} "))
    system("proc/7/cgroup", f"0::{group}\n")
    system("sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert allowance(system, 7) == Allowance()


def test_no_limit_is_none(system):
    system("proc/self/mountinfo", SECOND + FIRST)
    system("proc/7/cgroup", "4:memory:/\n3:cpu:/\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    system("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert allowance(system, 7) == Allowance()
    system("proc/8/cgroup", "0::/\n")
    system("sys/fs/cgroup/cpu.max", "max 100000\n")
    system("sys/fs/cgroup/memory.max", "max\n")
    assert allowance(system, 8) == Allowance()


def test_the_tightest_of_the_groups_that_a_process_is_in_binds(system):
    system("proc/self/mountinfo", SECOND)
    system("proc/7/cgroup", "0::/pod/container\n")
    system("sys/fs/cgroup/pod/cpu.max", "100000 100000\n")
    system("sys/fs/cgroup/pod/cpu.stat", STAT)
    system("sys/fs/cgroup/pod/container/cpu.max", "400000 100000\n")
    system("sys/fs/cgroup/pod/memory.max", "2000\n")
    system("sys/fs/cgroup/pod/container/memory.max", "1000\n")
    assert allowance(system, 7) == Allowance(1.0, 40, 10, 1000)


@pytest.fixture
def two_containers(system):
    """7 and 8 in containers of a core each, 9 beside 8."""
    system("proc/self/mountinfo", SECOND)
    for pid, name in ((7, "one"), (8, "two"), (9, "two")):
        system(f"proc/{pid}/cgroup", f"0::/{name}\n")
        system(f"sys/fs/cgroup/{name}/cpu.max", "100000 100000\n")
        system(f"sys/fs/cgroup/{name}/cpu.stat", STAT)
    return system


def test_of_several_containers_the_limits_add_up_each_once(two_containers):
    assert allowance(two_containers, 7, 8, 9) == Allowance(2.0, 80, 20)


def test_together_they_have_no_limit_where_one_of_them_has_none(two_containers):
    two_containers("proc/10/cgroup", "0::/\n")
    assert allowance(two_containers, 7, 10) == Allowance()


def test_where_there_are_no_control_groups_there_is_no_limit(system):
    assert allowance(system, 7) == Allowance()


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
        try:
            members = made_group(stack)
        except OSError as error:
            pytest.skip(f"takes root, and control groups that may be made: {error}")
        hog = subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE)
        stack.callback(hog.wait)
        stack.callback(hog.kill)
        assert hog.stdout.readline() == b"ready\n"
        members.write_text(str(hog.pid))
        containers = Containers([hog.pid])
        deadline = time.monotonic() + 10
        while not containers.read().throttled and time.monotonic() < deadline:
            time.sleep(0.05)
        found = containers.read()
    assert found.cores == pytest.approx(0.2)
    assert 0 < found.throttled <= found.periods
