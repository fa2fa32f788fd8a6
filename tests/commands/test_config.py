"""`loadtest run --config FILE`: where each option comes from, and what is said about a file that will not do."""

import json
import os
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from loadtest.commands.run import run_command
from loadtest.settings import OPTIONS

SECRET = "a secret of the tests, long enough for HS256"


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return str(path)

    return write


def printed(*words, **environment):
    """What `--print-config` prints of the options in force, as text and read back."""
    clean = {name: None for name in os.environ if name.startswith("LOADTEST_")}
    done = CliRunner().invoke(run_command, [*words, "--print-config"], env=clean | environment, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output, tomllib.loads(done.stdout)


def in_force(*words, **environment):
    return printed(*words, **environment)[1]


def complaint(*words):
    with pytest.raises(Exception, match="--config") as caught:
        printed(*words)
    assert "\n" not in str(caught.value.format_message())
    return caught.value.format_message()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(config):
    path = config('message-rate = "1/60s"\nseed = 1\nreply-timeout = 1\nusers = 1\nrun-time = "1s"\nprocesses = 1')
    words = ("--config", path, "--message-rate", "3/60s", "-u", "3")
    assert in_force(*words, LOADTEST_MESSAGE_RATE="2/60s", LOADTEST_SEED="2", LOADTEST_RUN_TIME="2s") == {
        "message-rate": "3/60s",
        "seed": "2",
        "reply-timeout": "1",
        "users": 3,
        "run-time": 2,
        "processes": 1,
    }


def test_lists_tables_and_classes(config):
    path = config(
        'classes = ["WithinLimitUser", "TypingUser"]\n[label]\nbuild = "abc"\nnight = 3\n'
        "[weights]\nWithinLimitUser = 8\nTypingUser = 0.5\n"
    )
    assert in_force("--config", path) == {
        "classes": ["WithinLimitUser", "TypingUser"],
        "label": ["build=abc", "night=3"],
        "weights": "WithinLimitUser=8,TypingUser=0.5",
    }
    assert in_force("--config", path, "--label", "a=b", "RoamingUser") == {
        "classes": ["RoamingUser"],
        "label": ["a=b"],
        "weights": "WithinLimitUser=8,TypingUser=0.5",
    }


def test_the_file_may_be_named_by_the_environment(config):
    assert in_force(LOADTEST_CONFIG=config("users = 7")) == {"users": 7}


def test_what_is_printed_is_a_file_that_means_the_same(config):
    chosen = {"host": "ws://127.0.0.1:5000/ws", "users": 30, "rate-limit": "none", "label": ["a=b", 'c="d"']}
    text, _ = printed("--host", chosen["host"], "-u", "30", "--rate-limit", "none", "--label=a=b", '--label=c="d"')
    path = config(text)
    assert in_force("--config", path) == chosen
    assert printed("--config", path)[0] == text


def test_every_option_of_the_table_is_a_key_and_is_printed(config):
    text, _ = printed()
    for option in OPTIONS:
        assert f"# {option.name}" in text, option.name


def test_a_secret_in_a_file_is_taken_with_a_warning_and_not_printed(config):
    text, chosen = printed("--config", config(f'jwt-secret = "{SECRET}"'))
    assert "holds secrets; better by LOADTEST_JWT_SECRET in the environment" in text
    assert SECRET not in text
    assert chosen == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('mesage_rate = "1/1s"', 'there is no option "mesage_rate"; did you mean message-rate?'),
        ("message_rate = 3", "did you mean message-rate?"),
        ("zzz = 1", 'there is no option "zzz"; `loadtest run --print-config` shows all'),
        ('config = "other.toml"', 'there is no option "config"'),
        ('message-rate = "often"', "message-rate: 'often' is no rate: give messages/window"),
        ('users = "many"', "users: 'many' is not a whole number above 0"),
        ("spawn-rate = 'fast'", "spawn-rate: 'fast' is not a valid float"),
        ("expect-stream = true", "expect-stream: give a text in quotes or a number"),
        ("seed = [1, 2]", "seed: is one value, not a list"),
        ("host = 'http://x'", "host: 'http://x' is no WebSocket address"),
        ("users = 3\nusers = 4", "is no TOML: Cannot overwrite a value (at "),
        ("users", "is no TOML: "),
    ],
)
def test_a_file_that_will_not_do_is_one_line(config, text, words):
    path = config(text)
    assert f"--config: {path}" in complaint("--config", path)
    assert words in complaint("--config", path)


def test_a_file_that_cannot_be_read(tmp_path):
    assert complaint("--config", str(tmp_path / "absent")).endswith(
        "cannot be read (No such file or directory); give a TOML file"
    )
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "is no text in UTF-8" in complaint("--config", str(binary))


def loadtest(*words, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "loadtest", *words],
        input="hi\n", env=clean | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_run_and_a_chat_from_one_file(config, reference_server, tmp_path):
    path = config(
        f'host = "{reference_server.url}"\nusers = 3\nrun-time = "2s"\nclasses = ["WithinLimitUser"]\n'
        f'jwt-secret = "{SECRET}"\nrate-limit = "none"\nmessage-rate = "4/1s"\nresults = "{tmp_path / "results"}"\n'
        "[label]\nbuild = 'abc'\n"
    )
    run, chat = loadtest("run", "--config", path, "-t", "3s"), loadtest("chat", "--config", path)
    assert run.returncode in (0, 3), run.stderr
    summary = json.loads((tmp_path / "results" / "latest" / "summary.json").read_text())
    assert (summary["run"]["users"], summary["run"]["labels"]) == (3, {"build": "abc"})
    assert list(summary["by_class"]) == ["WithinLimitUser"]
    assert summary["counts"]["delivered"] > 10
    assert 2.5 < summary["run"]["duration_s"] < 5
    assert (chat.returncode, "1 delivered, 1 answered" in chat.stdout) == (0, True)
    kept = [file.read_bytes() for file in (tmp_path / "results").rglob("*") if file.is_file()]
    assert not any(SECRET.encode() in content for content in kept)
    assert SECRET not in run.stdout + run.stderr + chat.stdout + chat.stderr


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [
        (
            'users-file = "u"\nlogin-url = "http://x/"\nrefresh-url = "http://x/r"\nlogin-refresh-path = "r"\nseed = 3',
            ("--tokens-file", "t"),
            {"tokens-file": "t", "seed": "3"},
        ),
        ('jwt-key = "k"\njwt-key-id = "1"\njwt-claims = "{}"', ("--tokens-file", "t"), {"tokens-file": "t"}),
        ('tokens-file = "t"\njwt-ttl = "1m"', ("--jwt-key", "k"), {"jwt-key": "k", "jwt-ttl": "1m"}),
        (
            'users-file = "u"\nlogin-url = "http://x/"',
            ("--users-file", "v"),
            {"users-file": "v", "login-url": "http://x/"},
        ),
        ('conversation = "lobby"', ("--conversations-file", "c"), {"conversations-file": "c"}),
        ('conversations-file = "c"', ("--conversation", "lobby"), {"conversation": "lobby"}),
        ('ca-file = "a"', ("--insecure",), {"insecure": True}),
        ("insecure = true", ("--ca-file", "a"), {"ca-file": "a"}),
    ],
)
def test_an_option_takes_the_place_of_what_it_excludes_in_a_file_and_of_what_that_needs(config, text, words, left):
    assert in_force("--config", config(text), *words) == left


def test_what_a_file_or_the_environment_switches_on_the_command_line_switches_off(config):
    path = config("insecure = true\nno-compression = true\ntraceparent = true")
    assert in_force("--config", path) == {"insecure": True, "no-compression": True, "traceparent": True}
    off = {"insecure": False, "no-compression": False, "traceparent": False}
    assert in_force("--config", path, "--no-insecure", "--compression", "--no-traceparent") == off
    assert in_force("--config", path, "--no-insecure", "--ca-file", "a")["ca-file"] == "a"
    on = {"LOADTEST_INSECURE": "true", "LOADTEST_JWT_SECRET": SECRET}
    trusting = ("run", "--host", "wss://127.0.0.1:1/ws", "-t", "1s", "--ca-file", "absent")
    assert "--ca-file: absent cannot be read" in loadtest(*trusting, "--no-insecure", **on).stderr


def test_so_does_a_secret_in_the_environment(config):
    path = config('users-file = "u"\nlogin-url = "http://x/"')
    assert in_force("--config", path, LOADTEST_JWT_SECRET=SECRET) == {}


def test_a_token_source_from_elsewhere_makes_that_of_the_file_void(config, reference_server, tmp_path):
    path = config(f'host = "{reference_server.url}"\ntokens-file = "{tmp_path / "absent"}"')
    assert loadtest("chat", "--config", path, LOADTEST_JWT_SECRET=SECRET).returncode == 0
