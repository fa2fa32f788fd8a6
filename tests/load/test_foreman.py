"""What the master tells a worker, over its own socket."""

import subprocess
import sys

from real_servers import unused_port

STORY = """
import sys
import time

from locust.env import Environment
from locust.rpc import Message, zmqrpc

from loadtest.load.crew import Crew
from loadtest.load.foreman import BEGIN, Foreman
from loadtest.load.numbers import Pool

port = int(sys.argv[1])
environment = Environment()
runner = environment.create_master_runner("127.0.0.1", port)
crew = Crew(Pool(12, None), lambda said: None)
crew.enlist(["near_a", "near_b", "near_c"])
crew.leave("near_b", 3.0)
crew.lose("near_c", 3.0)
foreman = Foreman(runner, crew, time.monotonic_ns(), lambda workers: None, lambda: None, users=12)
environment.events.worker_connect.add_listener(lambda client_id, **_: foreman.on_connect(client_id))
late = zmqrpc.Client("127.0.0.1", port, "far_d")
late.send(Message("client_ready", -1, "far_d"))
while (told := late.recv()).type != BEGIN:
    pass
print(told.data["name"], told.data["of"], told.data["users"])
"""


def test_one_that_joins_late_shares_the_users_with_those_that_are_there_still():
    told = subprocess.run(
        [sys.executable, "-c", STORY, str(unused_port())], capture_output=True, text=True, check=False, timeout=60
    )
    assert told.stdout == "worker-3 2 12\n", told.stderr
