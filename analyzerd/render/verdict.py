"""What came of a change, as a reply in Slack and for a terminal: the verdict, both sides' figures, the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzerd.model import Figures, Outcome, Verified
from analyzerd.render import elements as kit
from analyzerd.render import phrases as say
from analyzerd.render.escape import mrkdwn
from analyzerd.render.phrases import line
from analyzerd.units import format_bytes, format_duration

_ICONS = {
    Outcome.BETTER: "\u2705",
    Outcome.NO_EFFECT: "\u2796",
    Outcome.WORSE: "\U0001f534",
    Outcome.UNDECIDED: "\u2754",
    Outcome.UNEXPLAINED: "\U0001f7e1",
}
_NOT_MEASURED = "-"


def blocks(verified: Verified) -> Mapping[str, Any]:
    """Return the reply for the incident's thread."""
    said = [
        kit.header(f"{_ICONS[verified.outcome]} {headline(verified)}"),
        kit.paragraph(line(verified.because, 1500), "Why:"),
        kit.code("\n".join(table(verified.was, verified.now))),
    ]
    if verified.rollback:
        said.append(kit.paragraph(line(verified.rollback, 700), "Undo it now:"))
    said.append(kit.context(f"{line(verified.id, 40)} \u00b7 {line(verified.incident, 40)}"))
    return {"text": f"{_ICONS[verified.outcome]} {mrkdwn(headline(verified))}", "blocks": said}


def plain(verified: Verified) -> Mapping[str, Any]:
    """Return the smallest form of the reply: text only."""
    return {"text": mrkdwn("\n".join(_lines(verified)))[:3000]}


def text(verified: Verified) -> str:
    """Return the verdict for a terminal."""
    return "\n".join(_lines(verified))


def _lines(verified: Verified) -> Iterator[str]:
    yield headline(verified)
    yield f"  {line(verified.because, 1500)}"
    yield from (f"    {row}" for row in table(verified.was, verified.now))
    if verified.rollback:
        yield f"  Undo it now: {line(verified.rollback, 700)}"
    yield f"  {line(verified.id, 40)} \u00b7 {line(verified.incident, 40)}"


def headline(verified: Verified) -> str:
    """Say the verdict and the change: ``Better: gunicorn.workers 2 -> 5 (as proposed), shop``."""
    moved = f"{say.value(verified.before)} -> {say.value(verified.after)}"
    proposed = ""
    if verified.proposed is not None:
        same = str(verified.proposed) == str(verified.after)
        proposed = " (as proposed)" if same else f" ({say.value(verified.proposed)} was proposed)"
    word = verified.outcome.value.capitalize()
    return f"{word}: {line(verified.setting, 60)} {moved}{proposed}, {line(verified.app, 40)}"


def table(was: Figures, now: Figures, names: tuple[str, str] = ("before", "after")) -> Iterator[str]:
    """Yield rows of the guide's five figures, side by side."""
    yield f"{'':12}{names[0]:>12}{names[1]:>12}"
    other = _figures(now)
    for name, value in _figures(was).items():
        yield f"{name:12}{value:>12}{other[name]:>12}"


def _figures(known: Figures) -> dict[str, str]:
    share = known.failed_share
    return {
        "average": _seconds(known.mean_s),
        "p50": _seconds(known.p50_s),
        "p95": _seconds(known.p95_s),
        "p99": _seconds(known.p99_s),
        "failed": _NOT_MEASURED if share is None else f"{share:.2%}",
        "CPU (cores)": _NOT_MEASURED if known.cpu is None else f"{known.cpu:.2f}",
        "memory": _NOT_MEASURED if known.memory_bytes is None else format_bytes(known.memory_bytes),
        "requests/s": _NOT_MEASURED if known.rate is None else f"{known.rate:.3g}",
    }


def _seconds(value: float | None) -> str:
    return _NOT_MEASURED if value is None else format_duration(value)
