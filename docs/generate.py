"""Writes docs/causes/ from the cause rules and docs/audit.md from the audit's items: ``python -m docs.generate``.

With ``--check`` it only says what is old.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from analyzerd.cli.diagnose import load_rules
from analyzerd.core.audit import ITEMS, Item
from analyzerd.core.solvers import SOLVERS
from analyzerd.rules.schema import Advice, CauseRule, Condition, RuleSet

CAUSES = Path(__file__).parent / "causes"
AUDIT = Path(__file__).parent / "audit.md"
_NAME = re.compile(r"\{([a-z0-9_.-]+)(?::[^}]*)?\}")


def pages(rules: RuleSet) -> Mapping[str, str]:
    """All pages by file name."""
    causes = sorted(rules.causes.values(), key=lambda rule: rule.id)
    made = {f"{rule.id}.md": "\n".join(_page(rule, rules)) + "\n" for rule in causes}
    return {"README.md": "\n".join(_index(causes)) + "\n", **made}


def outdated(rules: RuleSet) -> list[str]:
    """Names of pages that are missing, differ from their rule, or belong to no rule."""
    wanted = pages(rules)
    there = {path.name: path.read_text() for path in CAUSES.glob("*.md")}
    return sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))


def audit_page() -> str:
    """The page about the audit: what it is, and every item."""
    return "\n".join((*_AUDIT_HEAD, *(line for item in ITEMS for line in _item(item)))) + "\n"


_AUDIT_HEAD = (
    "# The audit",
    "",
    "`analyzerctl audit` goes through the checklist of the tuning guide, its section on signs of over-tuning, and",
    "what gunicorn, nginx and systemd document. It needs no incident. Each item **fails**, **passes**, or **cannot be",
    "told**; the reason says what was measured or read, and where it stands. What was not measured is never held",
    "against anybody.",
    "",
    "```",
    "analyzerctl audit                       this machine: watched for 30 s, configurations, the last hour of logs",
    "analyzerctl audit --for 60s             longer: signs that have to last want a minute",
    "analyzerctl audit RECORDING             a recording, or a folder of logs and configuration files",
    "analyzerctl audit nginx.conf app.service gunicorn.conf.py",
    "analyzerctl audit --item timeout-ladder everything about one item",
    "analyzerctl audit --json --fail-on fail for machines: exit status 1 when an item fails",
    "```",
    "",
    "Nothing of the app is executed: settings are read from `/proc`, from the text of the files, and from gunicorn's",
    "own control socket where it answers. This page is written from the code by `make docs`.",
    "",
    "## Items",
    "",
)


def _item(item: Item) -> Iterator[str]:
    yield f"### {item.id}"
    yield ""
    yield item.question
    yield f"It should be so: {(item.judge.__doc__ or '').strip().splitlines()[0]}"
    yield ""
    if item.guide:
        yield f"- The guide: {item.guide}"
    if item.causes:
        yield f"- What it leads to: {', '.join(f'[{cause}](causes/{cause}.md)' for cause in item.causes)}"
    yield from (f"- <{link}>" for link in item.references)
    yield ""


def _index(causes: list[CauseRule]) -> Iterator[str]:
    yield "# Causes"
    yield ""
    yield "Every answer analyzerd can give, one page each, written from the rules in `rules.d/causes` by `make docs`."
    yield "How a verdict comes about stands in [three-valued evidence](../adr/0005-three-valued-evidence.md)."
    yield ""
    yield "| Cause | What it says | Severity |"
    yield "| --- | --- | --- |"
    for rule in causes:
        severity = "no incident" if rule.benign else rule.severity.value
        yield f"| [{rule.id}]({rule.id}.md) | {_plain(rule.title)} | {severity} |"


def _page(rule: CauseRule, rules: RuleSet) -> Iterator[str]:
    yield f"# {rule.id}"
    yield ""
    yield f"> {_plain(rule.title)}"
    yield ""
    yield rule.description.strip()
    yield ""
    yield from _facts(rule)
    yield from _conditions("What speaks for it", rule.evidence)
    yield from _conditions("What speaks against it", rule.against)
    yield from _refinements(rule)
    yield from _advice(rule)
    yield from _neighbours(rule, rules)
    yield from _proofs(rule)
    yield "## Read more"
    yield ""
    yield from (f"- <{link}>" for link in rule.references)


def _facts(rule: CauseRule) -> Iterator[str]:
    severity = "none: it is counted, nobody is told" if rule.benign else rule.severity.value
    yield f"- Severity: {severity}{_mild(rule)}"
    yield f"- Confidence when everything is known: {rule.prior:.2f}"
    yield f"- Asked when one of these is seen: {_codes(rule.opens_on)}"
    if rule.applies.gunicorn:
        yield f"- Only gunicorn {rule.applies.gunicorn}"
    if rule.applies.worker_class:
        yield f"- Only worker class {_codes(rule.applies.worker_class)}"
    if rule.explains_away:
        yield f"- When confirmed it rules out {_links(rule.explains_away)}"
    yield ""


def _mild(rule: CauseRule) -> str:
    grave = f", critical at times: {_plain(rule.critical_when.says)}" if rule.critical_when else ""
    mild = f", info at first. {_plain(rule.info_when.says)}" if rule.info_when else ""
    return grave + mild


def _conditions(title: str, conditions: tuple[Condition, ...]) -> Iterator[str]:
    if not conditions:
        return
    yield f"## {title}"
    yield ""
    yield "| When it is so | Weight | When it is not | When nobody knows |"
    yield "| --- | --- | --- | --- |"
    for condition in conditions:
        cells = (condition.says, _weight(condition), condition.says_not, condition.missing)
        yield "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _weight(condition: Condition) -> str:
    words = [condition.weight]
    if condition.required:
        words.append("must hold")
    if condition.decisive:
        words.append("decides")
    return ", ".join(words)


def _refinements(rule: CauseRule) -> Iterator[str]:
    if rule.because:
        yield "## More exactly"
        yield ""
        yield from (f"- `{item.id}`: {_plain(item.says)}" for item in rule.because)
        yield ""


def _advice(rule: CauseRule) -> Iterator[str]:
    if not rule.recommend:
        return
    yield "## What to do"
    yield ""
    for advice in rule.recommend:
        yield f"- {advice.setting}: {_plain(advice.says)}{_formula(advice)}"
    yield ""
    if rule.verify:
        yield f"It worked when: {_plain(rule.verify)}."
        yield ""


def _formula(advice: Advice) -> str:
    solver = SOLVERS.get(advice.solver)
    return f" ({(solver.__doc__ or '').strip().splitlines()[0]})" if solver is not None else ""


def _neighbours(rule: CauseRule, rules: RuleSet) -> Iterator[str]:
    """Causes that the same lines put on the suspect list."""
    near = [
        other.id
        for other in rules.causes.values()
        if other.id not in (rule.id, "unknown") and set(other.opens_on) & set(rule.opens_on)
    ]
    if near:
        yield "## What looks alike"
        yield ""
        yield f"Weighed at the same time: {_links(sorted(near))}."
        yield ""


def _proofs(rule: CauseRule) -> Iterator[str]:
    yield "## Proven on"
    yield ""
    for test in rule.tests:
        expected = test.expect or {}
        cause = expected.get("cause", rule.id)
        whose = "" if cause == rule.id else f" {cause}"
        yield f"- {test.name}:{whose} **{expected.get('verdict')}**"
    yield ""


def _plain(text: str) -> str:
    """A sentence of a rule with the names in braces as placeholders."""
    return _NAME.sub(lambda match: f"`{match[1]}`", text)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _links(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"[{name}]({name}.md)" for name in names)


def main() -> int:
    """Write the pages, or with --check compare them."""
    rules = load_rules([])
    old = outdated(rules)
    if "--check" in sys.argv[1:]:
        stale = [] if AUDIT.is_file() and AUDIT.read_text() == audit_page() else ["../audit.md"]
        sys.stdout.write("".join(f"docs/causes/{name} is out of date: run make docs\n" for name in (*old, *stale)))
        return 1 if old or stale else 0
    AUDIT.write_text(audit_page())
    CAUSES.mkdir(exist_ok=True)
    made = pages(rules)
    for name in old:
        if name in made:
            (CAUSES / name).write_text(made[name])
        else:
            (CAUSES / name).unlink()
    sys.stdout.write(f"{len(old)} of {len(made)} pages written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
