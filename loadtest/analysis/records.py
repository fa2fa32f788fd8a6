"""Everything that one run recorded, in memory: what all of the analysis is a function of."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadtest.analysis.standin import ModelTime, model_time
from loadtest.model import (
    Connect,
    Counts,
    Disconnect,
    Flush,
    Ghost,
    Health,
    Login,
    Outage,
    RunInfo,
    ServerSample,
    Step,
    StreamState,
)
from loadtest.runs.columns import MISSING, Messages, Text
from loadtest.runs.reader import RunReader
from loadtest.runs.rooms import RoomRecords
from loadtest.settings import ExpectStream


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """One run.

    Attributes:
        folder: name of the run folder.
        messages: with `not_expected` already told from `missing` (see `load`).
        connects: without those of intruders.
        intruders: connects with tokens that are bad on purpose.
        counters: sums over processes, by name and key.
        lost_batches: batches that never came, by process, where any is missing.
        longest_silences: longest time between two reports of each process, ns.
        streams_expected: whether delivered messages were to be answered.
        notices: mistakes that were noticed while the run went on.
        model: what the stand-in for the model took; None without its log.
        rooms: who was in which room and received what; None of a run without rooms.
    """

    folder: str
    info: RunInfo
    messages: Messages
    connects: tuple[Connect, ...]
    disconnects: tuple[Disconnect, ...]
    outages: tuple[Outage, ...]
    histograms: tuple[Counts, ...]
    health: tuple[Health, ...]
    counters: dict[tuple[str, str], int]
    lost_batches: dict[str, int]
    longest_silences: dict[str, int]
    streams_expected: bool
    notices: tuple[str, ...] = ()
    logins: tuple[Login, ...] = ()
    model: ModelTime | None = None
    rooms: RoomRecords | None = None
    server: tuple[ServerSample, ...] = ()
    ghosts: tuple[Ghost, ...] = ()
    intruders: tuple[Connect, ...] = ()
    steps: tuple[Step, ...] = ()
    flushes: tuple[Flush, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the run was sealed; one that was killed, or still goes on, was not."""
        return self.info.ended_ns is not None

    @property
    def end_ns(self) -> int:
        """When the run ended, or the last instant of which it left a record."""
        if self.info.ended_ns is not None:
            return self.info.ended_ns
        sample = max((sample.at_ns for sample in self.health), default=self.info.started_ns)
        message = int(self.messages.intended_ns.max(initial=self.info.started_ns))
        return max(sample, message)

    def count(self, name: str, key: str | None = None) -> int:
        """A counter: of one key, or over all of its keys."""
        if key is not None:
            return self.counters.get((name, key), 0)
        return sum(value for (counter, _), value in self.counters.items() if counter == name)

    def by_key(self, name: str) -> dict[str, int]:
        """The keys of a counter, most frequent first."""
        found = {key: value for (counter, key), value in self.counters.items() if counter == name}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def load(run: RunReader) -> Records:
    """Read a run.

    Whether an answer is expected may be learned from the run itself (`--expect-stream auto`), where a process that saw
    its first stream late has recorded `not_expected` before. With any stream in the run, these are `missing`.

    Raises:
        RunFolderError: the file is damaged.
    """
    messages, connects = run.messages(), run.connects()
    seen = bool((messages.first_content_ns != MISSING).any() or (messages.chunks > 0).any())
    certain = ExpectStream(run.info.expect_stream).certain
    expected = seen if certain is None else certain
    return Records(
        folder=run.folder.name,
        info=run.info,
        messages=_with_missing_streams(messages) if expected else messages,
        connects=tuple(connect for connect in connects if connect.bad_token is None),
        disconnects=tuple(run.disconnects()),
        outages=tuple(run.outages()),
        histograms=tuple(run.histograms()),
        health=tuple(run.health()),
        counters={(count.name, count.key): count.value for count in run.counters()},
        lost_batches=run.lost_batches(),
        longest_silences=run.longest_silences(),
        streams_expected=expected,
        notices=tuple(run.notices()),
        logins=tuple(run.logins()),
        model=_model_time(run, messages),
        rooms=run.rooms(),
        server=tuple(run.server()),
        ghosts=tuple(run.ghosts()),
        intruders=tuple(connect for connect in connects if connect.bad_token is not None),
        steps=tuple(run.steps()),
        flushes=tuple(run.flushes()),
    )


def _model_time(run: RunReader, messages: Messages) -> ModelTime | None:
    requests = run.model_requests()
    return None if requests is None else model_time(run.message_ids(), messages.first_content_ns, requests)


def _with_missing_streams(messages: Messages) -> Messages:
    names = tuple(
        StreamState.MISSING if name == StreamState.NOT_EXPECTED else name for name in messages.stream_state.names
    )
    return replace(messages, stream_state=Text(messages.stream_state.codes, names))
