"""Files and ports are counted before the start, and where they do not do, one line says what would."""

import errno
import os
import resource
import subprocess
import sys
import time

import jwt
import pytest
from locust_command import locust
from real_servers import unused_port

from loadtest.client import dial
from loadtest.errors import UsageError
from loadtest.load.sockets import check_files, check_ports, check_sources, local_ports
from loadtest.model import NO_FILE, NO_PORT
from loadtest.open_files import raise_file_limit
from loadtest.settings import Address

PORTS = range(32_768, 61_000)
"""28,232 of them: what Linux gives by default."""


def refusal(check, *facts):
    with pytest.raises(UsageError) as caught:
        check(*facts)
    return str(caught.value)


@pytest.mark.parametrize(("users", "processes"), [(800, 1), (1_600, 2), (1_599, 2)])
def test_as_many_users_as_a_process_may_open_files_beside_its_own_are_fine(users, processes):
    check_files(users, processes, 1_000)


def test_one_more_is_refused_with_what_to_raise_and_the_processes_that_would_do():
    told = refusal(check_files, 1_601, 2, 1_000)
    assert "1,601 in 2 processes take 1,001 open files in each" in told
    assert "ulimit -Hn 1001" in told
    assert "--processes 3" in told


def test_as_many_users_as_there_are_ports_are_fine():
    check_ports(28_232, (), PORTS)
    check_ports(56_464, ("127.0.0.2", "127.0.0.3"), PORTS)


def test_one_more_is_refused_with_the_number_of_addresses_that_would_do():
    assert "28,233 connections from 1 address of 28,232 ports each are 1 too many" in refusal(
        check_ports, 28_233, (), PORTS
    )
    assert "give 3 addresses" in refusal(check_ports, 60_000, ("127.0.0.2", "127.0.0.3"), PORTS)


def test_an_address_that_is_not_of_this_machine_is_refused_by_name():
    check_sources(("127.0.0.1",))
    assert refusal(check_sources, ("127.0.0.1", "192.0.2.1")).startswith("--source-addresses: 192.0.2.1 cannot be")


def test_the_ports_are_those_of_the_system(tmp_path):
    found = tmp_path / "range"
    found.write_text("40000\t40009\n")
    expected = range(40_000, 40_010) if sys.platform == "linux" else range(49_152, 65_536)
    assert local_ports(found) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has a further limit")
def test_the_soft_limit_is_raised_to_the_hard_one():
    program = (
        "import resource; from loadtest.open_files import raise_file_limit; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 700)); "
        "print(raise_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["700", "700", "700"]


def test_a_limit_that_is_as_high_as_it_may_be_stays():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_file_limit() == (1_048_576 if hard == resource.RLIM_INFINITY else hard)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has 127.0.0.1 alone")
def test_a_connection_comes_from_the_source_address():
    with dial.socket.create_server(("127.0.0.1", 0)) as listener:
        ours = dial.connect_tcp(Address("127.0.0.1", listener.getsockname()[1]), "127.0.0.9")
        theirs, (host, _port) = listener.accept()
        assert host == "127.0.0.9"
        ours.close()
        theirs.close()


@pytest.mark.parametrize(("number", "kind"), [(errno.EADDRNOTAVAIL, NO_PORT), (errno.EHOSTUNREACH, "unreachable")])
def test_a_machine_without_a_free_port_is_told_from_a_server_that_is_away(monkeypatch, number, kind):
    monkeypatch.setattr(dial, "_connect_to", lambda *_: number)
    with pytest.raises(dial.DialError) as caught:
        dial.connect_tcp(Address("127.0.0.1", unused_port()))
    assert caught.value.kind == kind


def test_a_process_that_may_open_no_more_files_says_so():
    program = (
        "import resource, os\n"
        "from loadtest.client.dial import DialError, connect_tcp\n"
        "from loadtest.settings import Address\n"
        "import gevent.socket\n"
        "gevent.socket.getaddrinfo('127.0.0.1', 9)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "held = []\n"
        "try:\n"
        "    while True: held.append(os.dup(0))\n"
        "except OSError: pass\n"
        "try: connect_tcp(Address('127.0.0.1', 9))\n"
        "except DialError as error: print(error.kind)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert told.stdout.strip() == NO_FILE, told.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("-u", "99999999"), "--users: 99,999,999 in one process take 100,000,199 open files"),
        (("-u", "1", "--source-addresses", "192.0.2.1"), "--source-addresses: 192.0.2.1 cannot be connected from"),
        (("-u", "1", "--source-addresses", "here"), "--source-addresses: 'here' is no IP address"),
    ],
)
def test_a_load_that_this_machine_cannot_carry_is_refused_in_one_line_before_it_starts(options, line, tmp_path):
    ended = locust(
        *("--host", f"ws://127.0.0.1:{unused_port()}/ws", *options),
        LOADTEST_JWT_SECRET="secret",
        LOADTEST_RESULTS=str(tmp_path),
    )
    assert ended.returncode == 2
    assert line in ended.stdout
    assert "Traceback" not in ended.stdout
    assert os.listdir(tmp_path) == []


SHAPED = """
from loadtest.load import ChatUser, {base}

class Chatting(ChatUser):
    pass

class Shape({base}):
    users = {users}
"""


@pytest.mark.parametrize(
    ("base", "users", "options", "line"),
    [
        ("Steps", "(5, 99_999_999)", (), "--users: 99,999,999 in one process take 100,000,199 open files"),
        ("Ramp", "3", ("--tokens-file", "two"), "--tokens-file: holds 2 tokens for 3 users"),
        ("Steps", "100", (), "Shape: its class attributes make no stages ('int' object is not iterable); mind their"),
        ("Soak", "'many'", (), "Shape: its class attributes make no stages ("),
    ],
)
def test_a_shape_is_held_against_the_same_before_it_starts(base, users, options, line, tmp_path):
    locustfile = tmp_path / "shaped.py"
    locustfile.write_text(SHAPED.format(base=base, users=users))
    (tmp_path / "two").write_text("".join(f"{token_of(user)}\n" for user in ("ann", "ben")))
    results = tmp_path / "results"
    results.mkdir()
    ended = locust(
        *("-f", str(locustfile), "--host", f"ws://127.0.0.1:{unused_port()}/ws"),
        *(word if word != "two" else str(tmp_path / "two") for word in options),
        **({} if options else {"LOADTEST_JWT_SECRET": "secret"}),
        LOADTEST_RESULTS=str(results),
    )
    assert ended.returncode == 2
    assert line in ended.stdout
    assert "Traceback" not in ended.stdout
    assert os.listdir(results) == []


def token_of(user):
    return jwt.encode({"userId": user, "exp": time.time() + 900}, "a secret of the tests, long enough for HS256")
