"""The nouns: what flows through analyzerd, as frozen values. No behaviour beyond construction.

Times are Unix seconds (UTC, float) and are named ``_s``; sizes are bytes and named ``_bytes``.
Text that came from a log is untrusted wherever it stands.
"""

from __future__ import annotations

from analyzerd.model.findings import (
    Benign,
    Blind,
    CountSignals,
    Effect,
    Evidence,
    Hypothesis,
    Incident,
    Probe,
    Recommendation,
    SaveBaseline,
    SaveBenign,
    SaveIncident,
    Signal,
)
from analyzerd.model.inputs import (
    AccessTally,
    Batch,
    Checkpoint,
    Clock,
    Command,
    Entries,
    Entry,
    Event,
    Health,
    Input,
    Lines,
    Setting,
    Stream,
    Tick,
)
from analyzerd.model.readings import (
    CgroupReading,
    DiskReading,
    HostReading,
    ListenerReading,
    ProcessReading,
    Sample,
)
from analyzerd.model.words import (
    Fields,
    Severity,
    State,
    Truth,
    Value,
    Verdict,
)

__all__ = [
    "AccessTally",
    "Batch",
    "Benign",
    "Blind",
    "CgroupReading",
    "Checkpoint",
    "Clock",
    "Command",
    "CountSignals",
    "DiskReading",
    "Effect",
    "Entries",
    "Entry",
    "Event",
    "Evidence",
    "Fields",
    "Health",
    "HostReading",
    "Hypothesis",
    "Incident",
    "Input",
    "Lines",
    "ListenerReading",
    "Probe",
    "ProcessReading",
    "Recommendation",
    "Sample",
    "SaveBaseline",
    "SaveBenign",
    "SaveIncident",
    "Setting",
    "Severity",
    "Signal",
    "State",
    "Stream",
    "Tick",
    "Truth",
    "Value",
    "Verdict",
]
