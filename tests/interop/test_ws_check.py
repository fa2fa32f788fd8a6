"""`loadtest check` against a backend on the npm package `ws`."""

import json
import os
import subprocess
import sys

from reference_server import SECRET

NOT_OF_A_SERVER = {"auto-scroll", "internal-error"}


def check(url, *options):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "loadtest", "check", "--host", url, "--format", "json", *options],
        env=clean | {"LOADTEST_JWT_SECRET": SECRET, "LOADTEST_RATE_LIMIT": "10/2s"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_what_the_guides_own_kind_of_backend_does(start_backend):
    done = check(start_backend("--window-ms", "2000").url)
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    verdicts = {case["id"]: case["verdict"] for case in found["cases"]}
    limiter = found["limiter"]
    assert (limiter["kind"], limiter["limit"], limiter["window_s"], limiter["scope"]) == ("fixed", 10, 2.0, "user")
    # It takes a message without an id, and its ack then names none.
    assert verdicts.pop("missing-fields") == "fails"
    assert verdicts.pop("unlisted") == "differs"
    assert {id_ for id_, verdict in verdicts.items() if verdict != "conforms"} == NOT_OF_A_SERVER, found["cases"]


def test_one_that_refuses_at_the_upgrade(start_backend):
    done = check(start_backend("--refuse-at-upgrade").url, "--only", "tokens")
    assert (done.returncode, done.stderr) == (0, "")
    cases = {case["id"]: case for case in json.loads(done.stdout)["cases"]}
    assert (cases["refusal"]["verdict"], cases["refusal"]["seen"]) == ("differs", "by HTTP 401")
    assert {case["verdict"] for id_, case in cases.items() if id_ != "refusal"} == {"conforms"}
