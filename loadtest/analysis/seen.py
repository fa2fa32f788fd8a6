"""What was seen of the protocol and the generator beside messages: counters by key that the summary passes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadtest.analysis.records import Records

TITLES: Final[Mapping[str, str]] = {
    "unknown_event": "unknown events",
    "unknown_field": "unknown fields",
    "malformed_frame": "malformed frames",
    "invalid_event": "invalid events",
    "binary_frame": "binary frames",
    "ignored_frame": "",
    "connection_error": "connection errors",
    "error_unattributed": "errors that name no message",
    "late_error": "errors for messages that had ended",
    "stream_violation": "stream violations",
    "foreign_stream": "streams of others",
    "foreign_stream_frame": "stream frames of others",
    "foreign_stream_violation": "violations in streams of others",
    "stream_oddity": "odd streams",
    "stream_by_order": "streams matched by order, for want of a name",
    "late_stream_frame": "stream frames after the end of their message",
    "late_ack": "acks after the timeout or the loss",
    "duplicate_ack": "duplicate acks",
    "reordered_ack": "acks out of order",
    "missing_ack": "acks that never came, of delivered messages",
    "unmatched_ack": "acks for no message of ours",
    "unmatched_stream": "stream frames for no message seen",
    "first_token_of_model": "first tokens and the stand-in for the model",
    "model_request": "requests to the stand-in for the model",
    "reads_without_stamp": "reads without a kernel stamp",
    "coalesced_frames": "",
    "stamps_clamped": "",
    "server_timestamp": "timestamps of the server",
    "broadcast": "",
    "typing_sent": "",
    "typing_received": "",
    "typing_echo": "",
    "leak": "",
    "before_joining": "events of a conversation that its user had yet to join",
    "listener_error": "",
    "report_left_out": "",
    "hook_error": "errors in hooks of the locustfile",
    "conversation_retried": "conversations that could not be created at first",
    "frames_sent": "",
    "bytes_sent": "",
    "negotiated": "",
    "limit_probe": "",
    "server_sample_failed": "times that the server's resources could not be read",
    "read_pause": "read pauses of slow readers",
    "pings_answered": "pings of the server answered",
    "ping_flood": "floods of pings (seconds of a connection)",
    "takes_nothing_in": "connections given up, since the server took nothing in",
    "actions_given_up": "actions that fell due after a user had given up",
    "dialect_error": "frames that the locustfile's dialect failed at",
}
"""Name to what a page calls it; empty where it has no line of its own: told elsewhere, or in `summary.json` alone."""


def seen(records: Records) -> dict[str, dict[str, int]]:
    """Counters of the protocol and the generator by name and key, as far as they counted anything."""
    found = {name: keys for name in TITLES if (keys := records.by_key(name))}
    if records.model is not None:
        found |= {"first_token_of_model": records.model.matches, "model_request": records.model.requests}
    return found
