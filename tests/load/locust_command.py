"""`locust -f locustfiles/chat.py`, headless, run to its end."""

import os
import subprocess
import sys
from pathlib import Path

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "chat.py"


def locust(*options, **environment):
    """The finished process; its `stdout` holds all of the console. Options of ours in the environment do not count."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", *options],
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )
