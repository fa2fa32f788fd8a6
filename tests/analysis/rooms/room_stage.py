"""Records of rooms, made of literals; instants in ms."""

import numpy as np

from loadtest.model import Receipts, Stay, Typed
from loadtest.runs.rooms import room_records

MS = 1_000_000


def sent(*messages):
    """Rows of messages: (id, client, at_ms); each to `tea`, acked 10 ms later, digest 7, of the user `u<client>`."""
    return [
        (row + 1, id_, f"u{client}", "tea", client, 7, at * MS, (at + 10) * MS)
        for row, (id_, client, at) in enumerate(messages)
    ]


def stay(client, from_ms, until_ms, conversation="tea", user=None):
    return Stay(client, user or f"u{client}", conversation, from_ms * MS, until_ms * MS)


def received(id_, author, *receipts, digest=7, event="message:receive", conversation="tea"):
    """One row: (client, order, at_ms) of each receipt."""
    clients, orders, at = zip(*receipts, strict=True)
    return Receipts(
        event,
        conversation,
        id_,
        author,
        digest,
        np.array(clients, "<u4").tobytes(),
        np.array(orders, "<u4").tobytes(),
        (np.array(at, "<i8") * MS).tobytes(),
    )


def heard(event, author, *receipts):
    """Receipts of a typing event: (client, at_ms)."""
    return received("", author, *((client, 0, at) for client, at in receipts), digest=None, event=f"typing:{event}")


def typed(client, event, at_ms, user=None):
    name = event if event == "gone" else f"typing:{event}"
    return Typed(client, user or f"u{client}", "tea", name, at_ms * MS)


def records(messages=(), receipts=(), stays=(), typing=()):
    return room_records(list(messages), list(receipts), list(stays), list(typing))
