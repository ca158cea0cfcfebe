"""From raw text to events: finds the lines that may matter, joins multi-line blocks, parses only those.

Everything else is passed over at the speed of the literal search. Keeps its place in half-read blocks in plain
data (StreamState), so that input may be cut anywhere and reading survives a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzerd import formats
from analyzerd.core.matcher import Matcher
from analyzerd.formats.access import access_format
from analyzerd.formats.assemble import Assembler, AssemblyState
from analyzerd.formats.nginx_logs import parse_logs, upstream_of
from analyzerd.formats.settings import from_command_line
from analyzerd.formats.systemd import is_manager
from analyzerd.model import AccessTally, Entries, Entry, Event, Fields, Lines, Setting, Stream
from analyzerd.rules.schema import RuleSet, SignalRule

ACCESS_KINDS = ("nginx.access", "gunicorn.access")
EXTRA_LITERALS: Mapping[str, tuple[bytes, ...]] = {
    **formats.LITERALS,
    "journal": (*formats.LITERALS["gunicorn"], *formats.LITERALS["nginx.error"]),
}
MAX_LOOKS_BACK = 20
MAX_STAMPED_BYTES = 512
QUIET_S = 2.0
"""A block that got no line for this long is complete."""


@dataclass(slots=True)
class StreamState:
    """Where reading of one stream stands. ``last_s``: event time of its newest line that bears one."""

    kind: str = ""
    assembly: AssemblyState = field(default_factory=AssemblyState)
    last_s: float = 0.0
    fed_s: float = 0.0
    stream: Stream | None = None


class Intake:
    """Reads streams with one rule set. ``streams`` is owned by the engine's state and saved with it."""

    def __init__(self, rules: RuleSet, streams: dict[str, StreamState]) -> None:
        active = [r for r in rules.signals.values() if r.status != "shadow"]
        self._matcher = Matcher(active, EXTRA_LITERALS)
        self._streams = streams
        half_read = {name: s for name, s in streams.items() if s.stream is not None and s.assembly.open}
        self._assemblers = {name: Assembler(s.stream, s.assembly) for name, s in half_read.items() if s.stream}
        self._access_logs: dict[str, dict[str, str]] = {}
        self._upstreams: Mapping[str, str] = {}

    def match(self, event: Event) -> list[tuple[SignalRule, Fields]]:
        """Signal rules the event satisfies."""
        return self._matcher.match(event)

    def learn(self, setting: Setting) -> None:
        """Take note of where and how a unit logs its requests: ``--access-logfile -`` puts them into the journal."""
        if setting.unit and setting.name in ("gunicorn.accesslog", "gunicorn.access_log_format"):
            self._access_logs.setdefault(setting.unit, {})[setting.name] = str(setting.value)
        elif setting.name == "nginx.access_log_upstreams":
            self._upstreams = parse_logs(str(setting.value))

    def feed(self, item: Lines | Entries, now_s: float) -> Sequence[Event | AccessTally | Setting]:
        """Events and tallies of the next piece of a stream, and the settings its starting masters show."""
        state = self._state(item.stream, now_s)
        if isinstance(item, Entries):
            shown = list(_shown_settings(item))
            for setting in shown:
                self.learn(setting)
            return [*shown, *self._entries(item, state)]
        if item.stream.kind in ACCESS_KINDS:
            return self._access(item, state)
        events = [self._timed(event, state) for event in self._lines(item)]
        state.last_s = max(state.last_s, _stamp_before(item.data, len(item.data), item.stream))
        return events

    def flush(self) -> list[Event]:
        """Finish all half-read blocks: the input has ended."""
        return [event for name in self._assemblers for event in self.flush_stream(name)]

    def flush_stream(self, name: str) -> list[Event]:
        """Finish the half-read blocks of one stream."""
        assembler = self._assemblers.get(name)
        return [self._timed(event, self._streams[name]) for event in assembler.flush()] if assembler else []

    def expire(self, now_s: float) -> list[Event]:
        """Finish blocks whose stream has been quiet."""
        quiet = [n for n, a in self._assemblers.items() if a.inside and now_s - self._streams[n].fed_s >= QUIET_S]
        return [event for name in quiet for event in self.flush_stream(name)]

    @property
    def waiting(self) -> bool:
        """Whether some block is half-read, so that expire() is due soon."""
        return any(a.inside for a in self._assemblers.values())

    def _state(self, stream: Stream, now_s: float) -> StreamState:
        state = self._streams.setdefault(stream.name, StreamState(stream.kind))
        state.fed_s, state.stream = now_s, stream
        if stream.name not in self._assemblers:
            self._assemblers[stream.name] = Assembler(stream, state.assembly)
        return state

    def _timed(self, event: Event, state: StreamState) -> Event:
        """Lines without a time of their own happened when the line before them did."""
        if event.time_s:
            state.last_s = max(state.last_s, event.time_s)
            return event
        return replace(event, time_s=state.last_s or state.fed_s)

    # ---- text files ----------------------------------------------------------------------------------

    def _lines(self, item: Lines) -> Iterator[Event]:
        data, stream, assembler = item.data, item.stream, self._assemblers[item.stream.name]
        hits = self._matcher.scan(stream.kind, data)
        rules_at = {start: rules for start, _, rules in hits} if assembler.inside or hits else {}
        done = 0
        if assembler.inside:
            done, events = self._block(item, 0, assembler, rules_at)
            yield from events
        for start, end, rules in hits:
            if start < done:
                continue
            line = data[start:end]
            if assembler.starts(line):
                done, events = self._block(item, start, assembler, rules_at)
                yield from (_dated(event, item, start) for event in events)
            elif rules and (event := formats.parse(line, stream)) is not None:
                yield _dated(replace(event, rules=rules), item, start)

    def _block(
        self, item: Lines, start: int, assembler: Assembler, rules_at: Mapping[int, tuple[str, ...]]
    ) -> tuple[int, list[Event]]:
        """Walk the lines of a block from ``start``; returns where the walk ended and what it completed."""
        data, events, position = item.data, list[Event](), start
        while position < len(data):
            end = data.find(b"\n", position)
            end = len(data) if end < 0 else end
            line = data[position:end]
            events += assembler.feed(line)
            rules = rules_at.get(position)
            if not assembler.took and rules and (event := formats.parse(line, item.stream)) is not None:
                events.append(replace(event, rules=rules))
            position = end + 1
            if not assembler.inside:
                break
        return position, events

    def _journal_access(
        self, item: Entries, hits: Mapping[int, object], state: StreamState
    ) -> Iterator[Event | AccessTally]:
        lines: dict[str, list[bytes]] = {}
        here = {u for u, known in self._access_logs.items() if known.get("gunicorn.accesslog") == "-"}
        for number, entry in enumerate(item.entries) if here else ():
            if entry.unit in here and number not in hits:
                lines.setdefault(entry.unit, []).append(entry.message.replace(b"\n", b" "))
        for unit, messages in lines.items():
            log_format = self._access_logs[unit].get("gunicorn.access_log_format", "")
            stream = Stream(item.stream.name, "gunicorn.access", unit, log_format)
            yield from self._access(Lines(stream, b"\n".join(messages) + b"\n"), state)

    def _access(self, item: Lines, state: StreamState) -> list[Event | AccessTally]:
        stream = item.stream
        try:
            reader = access_format(stream.log_format, stream.kind == "gunicorn.access")
        except ValueError:
            return []
        told = reader.names_upstream or stream.kind != "nginx.access"
        upstream = "" if told else upstream_of(stream.name, self._upstreams)
        tallies = reader.tally(item.data, stream.unit)
        found: list[Event | AccessTally] = [replace(t, upstream=upstream) if upstream else t for t in tallies]
        for line in reader.interesting(item.data):
            event = reader.parse(line, stream)
            if event is not None:
                found.append(self._timed(_passed_on(event, upstream), state))
        return found

    # ---- the journal -----------------------------------------------------------------------------------

    def _entries(self, item: Entries, state: StreamState) -> Iterator[Event | AccessTally]:
        assembler = self._assemblers[item.stream.name]
        hits = self._hits(item.entries)
        yield from self._journal_access(item, hits, state)
        for number, entry in enumerate(item.entries):
            state.last_s = max(state.last_s, entry.time_s)
            if is_manager(entry):
                event = formats.parse_entry(entry, item.stream)
                if event is not None:
                    yield event
            elif assembler.inside or number in hits:
                yield from self._entry(entry, item.stream, assembler, hits.get(number))

    def _entry(
        self, entry: Entry, stream: Stream, assembler: Assembler, rules: tuple[str, ...] | None
    ) -> Iterator[Event]:
        yield from assembler.feed_entry(entry)
        if not assembler.took and rules:
            event = formats.parse_entry(entry, stream)
            if event is not None:
                yield replace(event, rules=rules)

    def _hits(self, entries: tuple[Entry, ...]) -> dict[int, tuple[str, ...]]:
        """Entries whose message holds a literal: scanned together, as one block per kind."""
        found: dict[int, tuple[str, ...]] = {}
        for kind in ("journal", "kernel"):
            chosen = [n for n, e in enumerate(entries) if (e.transport == "kernel") == (kind == "kernel")]
            if not chosen:
                continue
            starts, parts, offset = {}, [], 0
            for number in chosen:
                message = entries[number].message.replace(b"\n", b" ")
                starts[offset] = number
                parts.append(message)
                offset += len(message) + 1
            for start, _, rules in self._matcher.scan(kind, b"\n".join(parts)):
                found[starts[start]] = rules
        return found


def _shown_settings(item: Entries) -> Iterator[Setting]:
    """Settings on the command line of a master whose start is in the journal."""
    for entry in item.entries:
        command_line = entry.fields.get("_CMDLINE")
        if command_line:
            yield from from_command_line(command_line, time_s=entry.time_s, unit=entry.unit)


def _passed_on(event: Event, upstream: str) -> Event:
    """A line that does not say where it was passed on to, of a log that leads to one place."""
    if not upstream or "," in upstream or event.fields.get("upstream_address"):
        return event
    return replace(event, fields={**event.fields, "upstream_address": upstream})


def _dated(event: Event, item: Lines, start: int) -> Event:
    """A line without a time of its own happened when the nearest dated line before it did."""
    if event.time_s:
        return event
    return replace(event, time_s=_stamp_before(item.data, start, item.stream))


def _stamp_before(data: bytes, end: int, stream: Stream) -> float:
    """Time of the last dated line of a log of gunicorn's that begins before ``end``; 0 when there is none."""
    if stream.kind not in ("gunicorn", "app"):
        return 0.0
    at = end
    for _ in range(MAX_LOOKS_BACK):
        at = data.rfind(b"\n[2", 0, at)
        line = data[at + 1 : data.find(b"\n", at + 1) if at + 1 < len(data) else None]
        event = formats.parse(line[:MAX_STAMPED_BYTES], stream) if line.startswith(b"[2") else None
        if event is not None and event.time_s:
            return event.time_s
        if at < 0:
            break
    return 0.0
