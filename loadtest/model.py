"""What a run records: messages, connections, outages, histograms, health, and the facts of the run itself.

Instants are integer nanoseconds of the monotonic clock of the machine that wrote the run folder; intervals are integer
nanoseconds. What is not known is `None`, never 0. Records are small immutable tuples on the wire (msgspec
`array_like`), since workers ship them to the master by the thousand.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Outcome(StrEnum):
    """How one message ended, decided by acks alone. Every message has exactly one."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    """Refused by the rate limit."""
    ERROR = "error"
    """Refused or failed for another reason; `Message.reason` says which."""
    TIMEOUT = "timeout"
    """No final ack within the reply timeout; `Message.reason` is `no ack` or `received, never delivered`."""
    LOST = "lost"
    """The connection went away before the final ack."""
    DROPPED = "dropped"
    """Pushed out of the full offline queue, or still in it when the client gave up."""
    UNFINISHED = "unfinished"
    """The run ended while the message was inside its grace time."""


class StreamState(StrEnum):
    """How the AI answer to one delivered message ended."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    """It began and then fell silent for longer than the reply timeout."""
    INTERRUPTED = "interrupted"
    """The connection went away in the middle of it, or before it began."""
    ERRORED = "errored"
    UNFINISHED = "unfinished"
    MISSING = "missing"
    """One was expected and none began within the reply timeout."""
    NOT_EXPECTED = "not_expected"
    """No answer came, and none was expected (`--expect-stream`)."""


class Violation(StrEnum):
    """What a chunk of an answer does against the guide."""

    REPEATED = "repeated"
    """The same content again, without completing."""
    SHRUNK = "shrunk"
    """Less content than before."""
    REORDERED = "reordered"
    """Less than before, but more than the one before that: a chunk that was overtaken."""
    REWRITTEN = "rewritten"
    """Content that does not begin with what was there."""
    FOREIGN = "foreign"
    """The content or the conversation of another answer."""
    TRUNCATED = "truncated"
    """A completion with less content than before."""
    AFTER_COMPLETION = "after completion"
    SECOND_COMPLETION = "second completion"
    AFTER_TIMEOUT = "after the timeout"
    """It goes on, or begins, after a silence of more than the reply timeout."""


class Population(StrEnum):
    """Whose numbers a message counts among. Headline percentiles are over `headline` alone."""

    HEADLINE = "headline"
    """Users within the rate limit, on a healthy connection."""
    LIMIT = "limit"
    """Users who place their messages at or above the rate limit."""
    OUTAGE = "outage"
    """Users who make their own outages."""
    QUEUED = "queued"
    """Messages of anyone that waited in the offline queue."""
    INVALID = "invalid"
    """Messages of anyone that break the guide on purpose, and must be refused."""


class Cause(StrEnum):
    """What a connection was lost to, as the client knows it."""

    RESET = "reset"
    """The client tore it down on purpose, without a close frame."""
    SILENCE = "silence"
    """The client fell silent on purpose, as one whose network is gone: half open, and the server has to notice."""
    SERVER_CLOSE = "server close"
    """A close frame of the server."""
    SERVER_CUT = "server cut"
    """The connection went away without a close frame."""
    READ_TIMEOUT = "read timeout"
    """Half open: nothing was received for `--read-timeout`."""
    PING_TIMEOUT = "ping timeout"
    """Half open: nothing was received for `--ping-timeout`, not even the answer to a ping."""
    INTERNAL_ERROR = "internal error"
    """`connection:error` INTERNAL_ERROR, after which the guide's client makes its connection anew."""

    @property
    def on_purpose(self) -> bool:
        """Whether the user did it."""
        return self in (Cause.RESET, Cause.SILENCE)


PREFLIGHT: Final = "preflight"
"""User and class of the one connect that tries the backend before a run; of no class in the by-class numbers."""
SERVER: Final = "server"
"""What reports as a process does and is the server, as it looks from outside."""
SHAPE: Final = "shape"
"""What reports as a process does and is a load shape."""
WITHOUT_USERS: Final = frozenset({PREFLIGHT, SERVER, SHAPE})
"""Names of what reports and is no process of the load generator."""


SETTLED_NS: Final = 1_000_000_000
"""How long after the delivered ack of a message the members of its room are waited for: whoever was there that long and
has not received it, has missed it."""


class Message(Struct, frozen=True, array_like=True, gc=False):
    """One message, from intention to its end."""

    user: str
    user_class: str
    population: Population
    conversation: str
    message_id: str
    intended_ns: int
    """When the schedule wanted it to leave."""
    sent_ns: int | None
    """When it was handed to the transport; None if it never left the offline queue."""
    outcome: Outcome
    reason: str | None = None
    """The kind of error, timeout or loss."""
    received_ns: int | None = None
    delivered_ns: int | None = None
    refused_ns: int | None = None
    """Arrival of the ack `error` or of the `message:error`."""
    stream_state: StreamState | None = None
    """None unless delivered."""
    first_content_ns: int | None = None
    last_content_ns: int | None = None
    completed_ns: int | None = None
    chunks: int = 0
    """Stream frames of this answer, its completion included."""
    chars: int = 0
    """Length of the final answer, code points."""
    stream_bytes: int = 0
    """Payload bytes of all its stream frames."""
    longest_stall_ns: int | None = None
    """Largest gap between two progress frames; None below two."""
    violations: int = 0
    """Chunks that break the rules of streams (see `Violation`)."""
    duplicate_acks: int = 0
    retry_after_s: int | None = None
    """X of `Try again in X seconds`."""
    received_bound_ns: int | None = None
    """The ack `received` arrived within this long before `received_ns` (see `client.arrivals`)."""
    delivered_bound_ns: int | None = None
    first_content_bound_ns: int | None = None
    completed_bound_ns: int | None = None
    receive_lag_ns: int | None = None
    """Largest delay from the kernel's receipt of a frame of this message to our callback."""
    handover_ns: int | None = None
    """From `sent_ns` to the return of the socket's send: the message left within this long after `sent_ns`. None where
    it was never sent, or the socket did not take all of it at once."""
    text_bytes: int = 0
    """The final answer in UTF-8: what `stream_bytes` would be at the least."""
    client: int | None = None
    """Number of the client that sent it, unique among those of a run at one time; None outside of rooms."""
    digest: int | None = None
    """CRC-32 of its content in UTF-8, by which its broadcasts are known; None outside of rooms."""
    progress_chunks: int = 0
    """Stream frames of this answer that brought new content; the completion is one of them where it did."""


NO_PORT: Final = "no free port"
"""Outcome of a connect for which this machine has no port left."""
NO_FILE: Final = "too many open files"
"""Outcome of a connect for which this process may open no further socket."""


class Connect(Struct, frozen=True, array_like=True, gc=False):
    """One attempt to get an authenticated connection."""

    user: str
    user_class: str
    began_ns: int
    outcome: str
    """`ok`, or what stopped it: `refused`, `timeout`, `tls expired`, `http 404`, `AUTH_FAILED`, `closed` ..."""
    reconnect: bool = False
    detail: str | None = None
    tcp_ns: int | None = None
    """Duration of the TCP connect; the parts that follow are durations too."""
    tls_ns: int | None = None
    upgrade_ns: int | None = None
    auth_ns: int | None = None
    authenticated_ns: int | None = None
    """The instant of `connection:authenticated`; None when it never came."""
    proxy_ns: int | None = None
    """Duration of a proxy's CONNECT, between TCP and TLS; None without one."""
    trace_id: str | None = None
    """What its upgrade said in `traceparent`; None without `--traceparent`."""
    attempt: int | None = None
    """Its number within an outage or a row of attempts, from 1; None of a first attempt, which waits for nothing."""
    backoff_ns: int | None = None
    """How long the schedule had it wait before; None of a first attempt."""
    ended_ns: int | None = None
    """The instant at which its outcome was known."""
    bad_token: str | None = None
    """What was wrong on purpose with its token: `missing`, `malformed`, `expired` or `forged`; None of a good one."""


BROKEN_OFF: Final = "broken off"
"""Outcome of a login that the end of the run overtook: no word about the endpoint, so no failure."""


class Login(Struct, frozen=True, array_like=True, gc=False):
    """One exchange with a login endpoint."""

    user: str
    began_ns: int
    """When it had its turn (`--login-rate`)."""
    ended_ns: int
    outcome: str
    """`ok`, or what was wrong: `http 500`, `timeout`, `refused`, `html, not json`, `no token at data.token` ...; or
    `BROKEN_OFF`."""
    refresh: bool = False
    """Whether it renewed a token by a refresh token."""
    waited_ns: int = 0
    """How long it waited for its turn: in no latency."""


class Disconnect(Struct, frozen=True, array_like=True, gc=False):
    """The end of one connection that had been authenticated."""

    user: str
    user_class: str
    at_ns: int
    code: int
    """WebSocket close code; 1006 when there was no close frame."""
    reason: str
    by: str
    """`client` (we closed), `server`, `reset` (we tore it down on purpose, without a close frame), `silence` (we fell
    silent on purpose), `read_timeout`, `ping_timeout`, or `retry` (we closed after an INTERNAL_ERROR)."""
    close_ns: int | None = None
    """Our close frame to its answer; None unless we closed (`client`, `retry`) and the server answered."""
    quiet_ns: int | None = None
    """From the last frame either way, close frames left out, to the end."""


class Outage(Struct, frozen=True, array_like=True, gc=False):
    """One time without a connection that the user did not end with `disconnect()`."""

    user: str
    user_class: str
    lost_ns: int
    """The loss; of a half-open connection, which nothing told of, when it last received something; after an
    INTERNAL_ERROR, when the client began to close."""
    code: int
    reason: str
    on_purpose: bool
    attempts: int
    authenticated_ns: int | None = None
    """Back and authenticated; None if that never happened."""
    recovered_ns: int | None = None
    """First delivered ack after it."""
    flushed_ns: int | None = None
    """Last queued message acked (delivered or refused)."""
    queued: int = 0
    dropped: int = 0
    ended: str = "recovered"
    """`recovered`, `gave up` (attempts spent, or the token refused), `lost again` (back, and lost before all that it
    had sent was answered), `left` (the user closed with 1000 meanwhile) or `run ended`."""
    cause: str = ""
    """A `Cause`; empty in files that know of none."""
    noticed_ns: int | None = None
    """When the client knew of it."""
    backoff_ns: int = 0
    """Time that the client waited by its own schedule; the rest of the outage is the server's and the network's."""
    lost: int = 0
    """Messages in flight that got no ack any more."""
    rejected: int = 0
    """Of the queued messages, those that the rate limit refused."""

    @property
    def without_end(self) -> bool:
        """Whether what it never came to counts as endless: not where its user left, or had not yet tried to return."""
        return self.ended in ("gave up", "lost again") or (self.ended == "run ended" and self.attempts > 0)


class Flush(Struct, frozen=True, array_like=True, gc=False):
    """One offline queue that was sent at once, when its user was back."""

    user: str
    user_class: str
    after_outage: bool
    """Whether it was an outage that its messages had waited for: its row has the same numbers. Else the user had left
    or given up, and came back, which is no outage."""
    began_ns: int
    """When the user was authenticated."""
    ended_ns: int | None
    """Last of its messages acked (delivered or refused); None where one never was."""
    sent: int
    dropped: int = 0
    """Pushed out of the full queue before."""
    rejected: int = 0
    """Of those sent, the ones that the rate limit refused."""
    ended: str = "answered"
    """`answered`, `unanswered` (a message was given up), `lost` (the connection went away before), `left` (the user
    closed with 1000 before) or `run ended`."""


class Ghost(Struct, frozen=True, array_like=True, gc=False):
    """The old, half-open connection of a user who fell silent and noticed it: to the server it is still there."""

    user: str
    user_class: str
    silent_ns: int
    """When its client fell silent."""
    noticed_ns: int
    """When its client noticed, and began to connect anew."""
    ended_ns: int | None = None
    """When the server ended it; None where it never did."""
    code: int | None = None
    """The server's close code; 1006 without a close frame."""
    frames: int = 0
    """Frames that it was sent after its client had fallen silent."""
    broadcasts: int = 0
    """`message:receive` among them: it still counted as a member."""


class OutageCommand(Struct, frozen=True):
    """One run of `--outage-command`; instants monotonic ns."""

    began_ns: int
    ended_ns: int
    outcome: str
    """`ok`, `exit 3`, `killed by signal 9`, `timeout`, `not found` ..., `run ended` where it was broken off, or
    `skipped ...` where the one before it still ran."""


class Receipts(Struct, frozen=True, array_like=True, gc=False):
    """One event of a room as the clients of one process received it; a receipt is a place in the three arrays."""

    event: str
    """`message:receive`, `typing:start` or `typing:stop`."""
    conversation: str
    message_id: str
    """Empty for typing."""
    author: str | None
    """The `userId` that the event names."""
    digest: int | None
    """CRC-32 of the content that arrived; None for typing."""
    clients: bytes
    """Number of the receiving client (see `Message.client`), little-endian uint32."""
    orders: bytes
    """Place among all events of rooms that this client received, little-endian uint32."""
    at_ns: bytes
    """When it arrived, little-endian int64."""


class Stay(Struct, frozen=True, array_like=True, gc=False):
    """One time in which a connection was a member of a conversation, as far as its client can know."""

    client: int
    user: str
    conversation: str
    from_ns: int
    """Arrival of the delivered ack of the message that joined."""
    until_ns: int
    """When the connection was gone, the run over, or a message sent to another conversation."""


class Typed(Struct, frozen=True, array_like=True, gc=False):
    """One typing event that a client sent."""

    client: int
    user: str
    conversation: str
    event: str
    """`typing:start` or `typing:stop`; `gone` where the connection went away while it typed, and the server knew."""
    sent_ns: int


class Counts(Struct, frozen=True, array_like=True, gc=False):
    """Additive HDR-style counts of one metric over one interval of one process."""

    metric: str
    population: Population
    start_ns: int
    end_ns: int
    buckets: bytes
    """Occupied bucket indices, little-endian uint32 (see `histogram`)."""
    counts: bytes
    """Their counts, little-endian uint32."""
    process: str = ""
    """Whose; a generator is as good as the worst of its processes."""


class Health(Struct, frozen=True, array_like=True, gc=False):
    """One process of the generator over one sampling interval."""

    process: str
    at_ns: int
    """End of the interval."""
    interval_ns: int
    users: int
    connections: int
    frames: int
    cpu_ns: int
    """CPU time of the process within the interval."""
    loop_lag_ns: int
    """Largest delay of a tick of the event loop within the interval; all of them are the histogram `loop_lag`."""
    gc_ns: int
    """Time within the interval that the garbage collector held the process."""
    send_lag_ns: int
    """Largest delay from intended to sent within the interval; 0 when nothing was sent."""
    receive_lag_ns: int
    """Largest delay from kernel to callback within the interval; 0 when nothing arrived."""
    steal_ns: int | None = None
    """Time that a hypervisor gave to others, of all cores of this machine; None where the system does not tell."""
    rss_bytes: int | None = None
    """Memory of the process at the end of the interval, resident; None in files of older versions."""
    throttled_ns: int | None = None
    """Time within the interval that the process stood still, at most, since its container's CPU limit was used up; None
    without one."""


class ServerSample(Struct, frozen=True, array_like=True, gc=False):
    """The server's own resources over one sampling interval; None where they cannot be seen."""

    source: str
    """`pid N`, or the address of a Prometheus endpoint."""
    at_ns: int
    """End of the interval."""
    interval_ns: int
    cpu_ns: int | None
    """CPU time of all its processes and threads within the interval."""
    busiest_ns: int | None
    """CPU time of its busiest thread within the interval: one core at most."""
    memory_bytes: int | None
    """Resident."""
    memory_limit: int | None
    """Memory of the machine, where the server is on this one."""
    open_files: int | None
    """Open files and sockets of the process that is nearest to its limit."""
    files_limit: int | None
    """Of the same process."""
    cpu_limit_ns: int | None = None
    """CPU time that its container, or the cores it is pinned to, allow within the interval; None where the machine is
    the limit."""
    throttled_ns: int | None = None
    """Time within the interval that it stood still, at most, since its container's CPU limit was used up; None without
    one."""
    charged_bytes: int | None = None
    """Memory that its container is charged for, without the file cache that the kernel takes back first."""
    charged_limit: int | None = None
    """Beyond it, one of the container's processes is killed."""


class Step(Struct, frozen=True, array_like=True, gc=False):
    """One step of a load shape, from the end of its spawning on: what is sent in between is no step's."""

    number: int
    """1, 2, ..."""
    users: int
    began_ns: int
    """When all its users had been spawned."""
    ended_ns: int


class Count(Struct, frozen=True, array_like=True, gc=False):
    """An addition to a named counter."""

    name: str
    key: str
    value: int


class Batch(Struct, frozen=True, array_like=True):
    """What one process recorded since its previous batch: the unit of shipping and of writing."""

    process: str
    sequence: int
    """0, 1, 2 ... per process: a gap is a lost batch, and is reported."""
    messages: list[Message] = []
    connects: list[Connect] = []
    disconnects: list[Disconnect] = []
    outages: list[Outage] = []
    histograms: list[Counts] = []
    health: list[Health] = []
    counters: list[Count] = []
    logins: list[Login] = []
    receipts: list[Receipts] = []
    stays: list[Stay] = []
    typed: list[Typed] = []
    server: list[ServerSample] = []
    steps: list[Step] = []
    ghosts: list[Ghost] = []
    flushes: list[Flush] = []


class WorkerEnd(StrEnum):
    """How a worker of a run ended."""

    SOUND = "with the run"
    LEFT = "left"
    """It was ended on its own, and sent all that it had."""
    LOST = "lost"
    """Its last report never came."""


class Worker(Struct, frozen=True):
    """A worker of a run on several processes, as the master saw it. Times are seconds from the start of the run."""

    name: str
    """As in the records."""
    machine: str
    joined_s: float
    """0 for those that were there at the start."""
    silences_s: list[float] = []
    """How long it was out of touch, each time."""
    ended: WorkerEnd = WorkerEnd.SOUND
    ended_s: float | None = None
    """When it left, or was last heard of; None for one that ended with the run."""
    users: int = 0
    """That it held when it was last heard of."""
    clock_offset_s: float = 0.0
    """What was added to the instants of its records, to have them on the master's clock; 0 where that is its own."""
    clock_bound_s: float = 0.0
    """How far from the truth that is at most: half of the fastest exchange. No latency holds it."""


class RunInfo(Struct, frozen=True, omit_defaults=False):
    """The facts of one run, kept as JSON in `run.db`. Never holds a secret."""

    scenario: str
    started_utc: str
    """ISO 8601, UTC."""
    started_ns: int
    """The same instant on the monotonic clock."""
    tool_version: str
    seed: int
    host: str
    """The target, without its query."""
    command: list[str]
    """The command line, secrets removed."""
    labels: dict[str, str]
    options: dict[str, str | int | float | bool | None]
    """Options of this package as in force."""
    generator: dict[str, str | int | float | None]
    """Machine, cores, system, Python and library versions."""
    users: int | None
    """Users asked for; None where a shape decides."""
    processes: int
    receive_clock: str
    """`kernel`, or `callback` where the platform has no receive stamps."""
    limit_messages: int | None
    """Declared rate limit: messages per window; None for none."""
    limit_window_s: float | None
    reply_timeout_s: float
    warmup_s: float | None
    """As asked for; None for the default (end of spawning plus one limiter window)."""
    expect_stream: str
    """`auto`, `yes` or `no`."""
    plan: str = ""
    """The line printed before the start."""
    spawned_ns: int | None = None
    """End of spawning."""
    stopped_ns: int | None = None
    """When sending stopped."""
    ended_ns: int | None = None
    """When the run was sealed; None marks a run that was cut off."""
    ended_by: str | None = None
    """`time`, `interrupt`, `terminate`, `stop button`, `abort`, `workers gone` ..."""
    present_share: float = 1.0
    """Of its time that a user is connected, in the mean, as asked for: below 1 where users come and go."""
    missing_processes: list[str] = []
    """Workers whose last report never came."""
    workers: list[Worker] = []
    """Of a run on several processes, in the order in which they came."""
    proxy: str | None = None
    """HOST:PORT of the proxy on the way to the target; None without one."""
    objectives: list[str] = []
    """What the run is held to at its end (`--slo`), each as in `ack_delivered.p99 < 250ms`."""
    abort_on: list[str] = []
    """What ends the run early when it comes true (`--abort-on`)."""
    aborted: str = ""
    """Which of these did, and what was seen; empty where none."""
    outage_commands: list[OutageCommand] = []
    """Runs of `--outage-command`."""
