"""Says of which kind a log file is, from its first 64 KiB and its name. Reads no file itself."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from analyzerd.formats.app import DATED
from analyzerd.formats.blocks import starts_traceback
from analyzerd.formats.gunicorn import PREFIX

HEAD_BYTES = 64 * 1024
CONTAINERS = ("journal-short", "journal-short-iso", "journal-json", "journal-export")
_NGINX = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]{4,6}\] \d{1,10}#\d{1,20}: |nginx: \[[a-z]{4,6}\] ")
_ACCESS = re.compile(rb'[^\n"]{0,512}"[A-Z]{1,16} [^\n]{0,4096}?" (?:st(?:atus)?=)?\d{3}\b')
_GUNICORN_ACCESS = re.compile(rb"[^\n]{0,512}\b(?:pid=<?|[DL]=)\d")
_DMESG = re.compile(rb"(?:<\d{1,3}>)?\[ *\d{1,9}\.\d{6}\] ")
_SHORT = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \S{1,255} [^\s:\[]{1,255}(?:\[\d{1,10}\])?: ")
_SHORT_ISO = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d:?\d\d "
    rb"\S{1,255} [^\s:\[]{1,255}(?:\[\d{1,10}\])?: "
)
_NAMES = (
    ("nginx.error", re.compile(r"nginx.*error|^error\.log")),
    ("gunicorn.access", re.compile(r"gunicorn.*access")),
    ("nginx.access", re.compile(r"access")),
    ("kernel", re.compile(r"^kern|dmesg")),
    ("gunicorn", re.compile(r"gunicorn")),
)


@dataclass(frozen=True, slots=True)
class Detected:
    """``kind``: one of KINDS or CONTAINERS, '' when unsure; ``reason`` says why it was chosen or not."""

    kind: str
    reason: str


def detect(head: bytes, name: str = "") -> Detected:
    """Judge by the lines; the name decides only between kinds that look alike, or for an empty file."""
    head = head[:HEAD_BYTES]
    if head.startswith(b"__CURSOR=") or b"\n__REALTIME_TIMESTAMP=" in head[:4096]:
        return Detected("journal-export", "it starts with a journal export record")
    lines = [line[:4096] for line in head.split(b"\n") if line.strip(b"\0 \t\r")][:500]
    by_name = _by_name(name)
    if not lines:
        if by_name:
            return Detected(by_name, "the file is empty; its name tells")
        return Detected("", "the file is empty and its name says nothing")
    counts = Counter(kind for line in lines if (kind := _kind(line)))
    if not counts:
        return Detected("", f"none of the first {len(lines)} lines has a known form; name its kind")
    return _choose(counts, len(lines), by_name)


def _choose(counts: Counter[str], total: int, by_name: str) -> Detected:
    if by_name.endswith(".access") and (counts["access"] or counts["gunicorn.access"]):
        counts[by_name] += counts.pop("access", 0) + (counts.pop("gunicorn.access", 0) if by_name[0] == "n" else 0)
    kind, hits = counts.most_common(1)[0]
    if kind == "access":
        kind = "gunicorn.access" if by_name in ("gunicorn.access", "gunicorn") else "nginx.access"
    rivals = [(other, n) for other, n in counts.items() if n == hits and other not in (kind, "access")]
    if rivals and by_name in (kind, *(other for other, _ in rivals)):
        return Detected(by_name, "its lines look like several kinds; its name tells")
    if rivals:
        return Detected("", f"its lines look like {kind} and like {rivals[0][0]} alike; name its kind")
    return Detected(kind, f"{hits} of the first {total} lines have this form")


def _kind(line: bytes) -> str:
    if line.startswith(b"{") and b'"MESSAGE"' in line:
        return "journal-json"
    if PREFIX.match(line) or DATED.match(line) or starts_traceback(line):
        return "gunicorn"
    if _NGINX.match(line):
        return "nginx.error"
    if _DMESG.match(line):
        return "kernel"
    if _SHORT_ISO.match(line):
        return "journal-short-iso"
    if _SHORT.match(line):
        return "journal-short"
    if _ACCESS.match(line):
        return "gunicorn.access" if _GUNICORN_ACCESS.match(line) else "access"
    return ""


def _by_name(name: str) -> str:
    base = name.rpartition("/")[2].lower()
    return next((kind for kind, pattern in _NAMES if pattern.search(base)), "")
