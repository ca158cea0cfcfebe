"""An incident as a Slack message, short for the channel, complete for its thread; within Slack's limits.

What does not fit is shortened step by step, never refused by Slack and never dropped silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analyzerd.model import Hypothesis, Incident, Recommendation, State
from analyzerd.render import elements as kit
from analyzerd.render import phrases as say
from analyzerd.render.escape import cap, mrkdwn
from analyzerd.render.phrases import line

Payload = Mapping[str, Any]
BUDGET_CHARS = 10_000
MOST_BLOCKS = 48
_SIZES = (1.0, 0.6, 0.35, 0.2, 0.1)


def message(incident: Incident, reason: str = "") -> Payload:
    """Return the channel's message: what, why, what to change, how bad, since when."""
    return _fitting(fallback(incident, reason), lambda size: _message_blocks(incident, reason, size))


def thread(incident: Incident) -> Payload:
    """Return the reply with everything that stands behind the message."""
    text = f"Evidence for {mrkdwn(line(incident.id, 40))}"
    return _fitting(text, lambda size: _thread_blocks(incident, size))


def plain(incident: Incident, reason: str = "") -> Payload:
    """Return the smallest form: text only."""
    parts = (
        say.verdict(incident),
        say.explanation(incident, 600),
        say.state_line(incident, reason),
        incident.id,
    )
    return {"text": cap(fallback(incident, reason) + "\n" + "\n".join(map(_escaped, parts)), 3000)}


def followup(incident: Incident, reason: str = "") -> Payload:
    """Return one line for a change of state, for sinks that cannot edit; no counts in it."""
    state = say.MERGED if reason == say.MERGED else incident.state.value
    return {"text": f"{fallback(incident, reason)} [{mrkdwn(line(incident.id, 40))}, now {state}]"}


def summary(incidents: Sequence[Incident]) -> Payload:
    """Return one message for what happened while nothing could be posted."""
    still = [one for one in incidents if one.state is State.OPEN]
    over = [one for one in incidents if one.state is not State.OPEN]
    text = f"Catching up: {say.plural(len(incidents), 'problem')} while messages could not be sent"
    return _fitting(text, lambda size: _summary_blocks(text, still, over, size))


def fallback(incident: Incident, reason: str = "") -> str:
    """Return the text of notifications and screen readers, escaped for Slack."""
    return f"{say.icon(incident, reason)} {_escaped(say.headline(incident, reason))}"


def _message_blocks(incident: Incident, reason: str, size: float) -> list[kit.Block]:
    blocks = [
        kit.header(f"{say.icon(incident, reason)} {say.headline(incident, reason)}"),
        kit.paragraph(say.explanation(incident, int(900 * size)), f"{say.verdict(incident)}:"),
    ]
    if facts := [line(fact.says, int(300 * size)) for fact in say.deciding(incident)]:
        blocks.append(kit.bullets(facts, "What shows it"))
    elif unknown := [line(fact.says, int(300 * size)) for fact in say.missing(incident)]:
        blocks.append(kit.bullets(unknown, "What is missing to decide"))
    if incident.recommendations:
        first, *others = incident.recommendations
        blocks += _advice(first, size, say.tied(others))
    if felt := say.impact(incident):
        blocks.append(kit.paragraph(cap(felt, int(500 * size)), "Impact:"))
    return [
        *blocks,
        _state(incident, reason),
        kit.context(f"{line(incident.id, 40)} \u00b7 {line(incident.cause, 60)}"),
    ]


def _state(incident: Incident, reason: str) -> kit.Block:
    ended_s = incident.last_seen_s if incident.resolved_s is None else incident.resolved_s
    said = say.state_line(incident, reason)
    return kit.dated(said, incident.first_seen_s, incident.last_seen_s, ended_s)


def _advice(advice: Recommendation, size: float, tied: Sequence[Recommendation] = ()) -> list[kit.Block]:
    blocks, told = [kit.paragraph(line(advice.says, int(700 * size)), "What to do:")], list[str]()
    for one in (advice, *tied):
        where, change = say.place(one), say.change(one)
        told += [f"# {where}"] * bool(where and change) + [change] * bool(change)
        told += [f"# {line(one.arithmetic, int(400 * size))}"] * bool(one.arithmetic)
    return [*blocks, kit.code("\n".join(told))] if told else blocks


def _thread_blocks(incident: Incident, size: float) -> list[kit.Block]:
    blocks: list[kit.Block] = []
    if incident.timeline:
        blocks.append(kit.bullets(_timeline(incident, size), "What happened (UTC)"))
    for guess in incident.hypotheses[: max(1, int(8 * size))]:
        blocks += _suspect(guess, size)
    for advice in incident.recommendations[: max(1, int(6 * size))]:
        blocks += _advice_in_full(advice, size)
    if incident.consequences:
        told = [line(item, int(300 * size)) for item in incident.consequences[: max(2, int(12 * size))]]
        blocks.append(kit.bullets(told, "Followed from it"))
    if incident.samples_of_log:
        logged = [say.lines(item, int(700 * size)) for item in incident.samples_of_log[: max(1, int(8 * size))]]
        blocks.append(kit.code(cap("\n".join(logged), 2800), "From the logs"))
    if incident.references:
        blocks.append(kit.bullets([line(item, 300) for item in incident.references[:5]], "Read more"))
    return blocks or [kit.paragraph("Nothing more is known than the message above says.")]


def _timeline(incident: Incident, size: float) -> list[str]:
    most = max(4, int(30 * size))
    told = [f"{say.clock(at_s)}  {line(what, int(250 * size))}" for at_s, what in incident.timeline]
    left_out = len(told) - most
    if left_out <= 0:
        return told
    return [
        *told[: most // 2],
        f"\u2026 {say.plural(left_out, 'step')} left out \u2026",
        *told[-(most - most // 2) :],
    ]


def _suspect(guess: Hypothesis, size: float) -> list[kit.Block]:
    facts = sorted(guess.evidence, key=lambda fact: "+\u2212?=".index(say.sign(guess, fact)))
    told = [f"{say.sign(guess, fact)} {line(fact.says, int(300 * size))}" for fact in facts]
    most = max(3, int(14 * size))
    told = [
        *told[:most],
        *([f"\u2026 {say.plural(len(told) - most, 'fact')} more"] if len(told) > most else []),
    ]
    label = f"{line(guess.cause, 60)}: {guess.verdict.value}"
    return [kit.bullets(told, label) if told else kit.paragraph("no evidence either way", f"{label}:")]


def _advice_in_full(advice: Recommendation, size: float) -> list[kit.Block]:
    blocks = _advice(advice, size)
    for label, text in (("Change", advice.diff), ("Undo", advice.rollback)):
        if text:
            blocks.append(kit.code(say.block(text, int(2000 * size)), label))
    told = {"No diff": advice.no_diff_because, "Check afterwards": advice.verify}
    return blocks + [kit.paragraph(line(text, int(500 * size)), f"{name}:") for name, text in told.items() if text]


def _summary_blocks(text: str, still: Sequence[Incident], over: Sequence[Incident], size: float) -> list[kit.Block]:
    blocks = [kit.header(text)]
    most = max(3, int(40 * size))
    for label, group in (("Still open (a message each follows)", still), ("Already over", over)):
        told = [
            f"{say.headline(one, limit=90)} \u00b7 {say.minute(one.first_seen_s)} \u00b7 {line(one.id, 40)}"
            for one in group
        ]
        more = [f"\u2026 and {len(told) - most} more: analyzerctl incidents"] if len(told) > most else []
        if told:
            blocks.append(kit.bullets([*told[:most], *more], label))
    return blocks


def _fitting(text: str, build: Callable[[float], list[kit.Block]]) -> Payload:
    """Shorten until the message is within Slack's limits; the text alone is the last resort."""
    for size in _SIZES:
        blocks = build(size)
        if len(blocks) <= MOST_BLOCKS and len(json.dumps(blocks, ensure_ascii=True)) <= BUDGET_CHARS:
            return {"text": text, "blocks": blocks}
    return {"text": text}


def _escaped(text: str) -> str:
    return mrkdwn(text)
