"""What permessage-deflate saves and costs a client. Run: python benchmarks/compression.py

Answers as the guide streams them, each frame with all that was before, as a server with one window or another sends
them, taken in by the receiving side of a connection frame by frame: CPU of this process a frame, payload as it
travels, and memory of connections that have had one answer each. No sockets: what is measured is what compression adds.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import process_time_ns
from typing import Any

import psutil
from machine import machine
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.server import ServerProtocol

from loadtest.client.endpoint import Credentials, Endpoint, new_protocol, upgrade_request
from loadtest.client.frames import Incoming

ROUNDS = 7
ANSWERS = 200
CONNECTIONS = 500
CHUNKS = (34, 300)
SERVERS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "window 12 (websockets)": {"server_max_window_bits": 12, "client_max_window_bits": 12},
    "window 15 (ws)": {},
    "window 15, no context": {"server_no_context_takeover": True, "client_no_context_takeover": True},
}
ENDPOINT = Endpoint(url="ws://127.0.0.1/ws", connect_timeout_s=1.0, max_frame_size=2**24)


class Saved:
    """Bytes that compression saved on what was received."""

    def __init__(self) -> None:
        self.received = 0

    def add(self, name: str, _key: str = "", value: int = 1) -> None:
        if name == "deflate_saved_received":
            self.received += value


def answer(chunks: int, rng: random.Random) -> list[bytes]:
    """The frames of one cumulative stream, some four characters a chunk."""
    words, content = Path(__file__).with_name("README.md").read_text(encoding="utf-8").split(), ""
    frames = []
    for number in range(chunks):
        content += f"{rng.choice(words)} "
        event = {
            "type": "message:stream", "conversationId": "conv-17", "messageId": "ai-msg-1763990000000-abcdefghi",
            "content": content, "isComplete": number == chunks - 1,
        }  # fmt: skip
        frames.append(json.dumps(event).encode())
    return frames


def connected(server_side: dict[str, Any] | None, saved: Saved) -> tuple[ServerProtocol, Incoming]:
    """A server's protocol, and the receiving side of a client that it has upgraded."""
    return connected_both(server_side, saved)[1:]


def connected_both(server_side: dict[str, Any] | None, saved: Saved) -> tuple[ClientProtocol, ServerProtocol, Incoming]:
    """The same, and the client's protocol."""
    extensions = None if server_side is None else [
        ServerPerMessageDeflateFactory(**server_side, compress_settings={"memLevel": 5})
    ]  # fmt: skip
    client, server = new_protocol(ENDPOINT, Credentials(), saved), ServerProtocol(extensions=extensions)
    client.send_request(upgrade_request(client, ENDPOINT, Credentials()))
    server.receive_data(b"".join(client.data_to_send()))
    server.send_response(server.accept(server.events_received()[0]))
    incoming = Incoming(client, ENDPOINT.max_frame_size)
    incoming.take(b"".join(server.data_to_send()))
    return client, server, incoming


def packed(server: ServerProtocol, frames: list[bytes]) -> list[bytes]:
    """The frames as that server writes them."""
    result = []
    for frame in frames:
        server.send_text(frame)
        result.append(b"".join(server.data_to_send()))
    return result


def cost(server_side: dict[str, Any] | None, chunks: int) -> tuple[float, float]:
    """CPU, µs a frame, and payload as it travelled over what it holds."""
    rng, saved = random.Random(1), Saved()
    server, incoming = connected(server_side, saved)
    answers = [answer(chunks, rng) for _ in range(max(ANSWERS * 34 // chunks, 1))]
    wire = [packed(server, frames) for frames in answers]
    plain = sum(len(frame) for frames in answers for frame in frames)
    began = process_time_ns()
    taken = sum(len(incoming.take(data)) for frames in wire for data in frames)
    spent = process_time_ns() - began
    assert taken == sum(map(len, wire))
    return spent / 1e3 / taken, (plain - saved.received) / plain


def memory(server_side: dict[str, Any] | None) -> float:
    """KB that the protocol of one connection holds after a message sent and an answer, of the client's side alone."""
    rng, saved, process = random.Random(1), Saved(), psutil.Process()
    frames, held = answer(max(CHUNKS), rng), []
    wire = packed(connected(server_side, saved)[0], frames)
    gc.collect()
    before = process.memory_info().rss
    for _ in range(CONNECTIONS):
        client, _, incoming = connected_both(server_side, saved)
        client.send_text(frames[0])
        client.data_to_send()
        for data in wire:  # what one server packed for the first unpacks for all
            incoming.take(data)
        held.append(incoming)
    gc.collect()
    return (process.memory_info().rss - before) / 1e3 / CONNECTIONS


def measure() -> list[dict[str, Any]]:
    """One row for each server and length of answer; rounds take turns."""
    samples: dict[tuple[str, int], list[tuple[float, float]]] = {(s, c): [] for s in SERVERS for c in CHUNKS}
    for _ in range(ROUNDS):
        for (server, chunks), found in samples.items():
            found.append(cost(SERVERS[server], chunks))
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:  # no memory of others to reuse
        held = dict(zip(SERVERS, fresh.map(memory, SERVERS.values()), strict=True))
    return [
        {
            "server": server,
            "chunks": chunks,
            "us_per_frame": round(statistics.median(us for us, _ in found), 2),
            "us_low": round(min(us for us, _ in found), 2),
            "us_high": round(max(us for us, _ in found), 2),
            "wire_share": round(found[0][1], 4),
            "kb_per_connection": round(held[server], 1),
        }
        for (server, chunks), found in samples.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rows = measure()
    print(f"{'server':24}{'chunks':>7}{'µs/frame':>20}{'on the wire':>13}{'KB/connection':>15}")
    for row in rows:
        spread = f"{row['us_per_frame']} ({row['us_low']}-{row['us_high']})"
        share, held = f"{100 * row['wire_share']:.1f} %", row["kb_per_connection"]
        print(f"{row['server']:24}{row['chunks']:7}{spread:>20}{share:>13}{held:>15}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
