"""The audit: a closed list of questions about one app's setup, each answered pass, fail or cannot tell. Pure.

An item speaks only of what was read or measured; the tuning guide, gunicorn's and nginx's documentation back it.
"""

from __future__ import annotations

from analyzerd.core.audit import concurrency, limits, memory, proxy, recycling, service, signs
from analyzerd.core.audit.item import Answer, Finding, Ground, Item, Outcome, Subject
from analyzerd.core.audit.together import decided

ITEMS: tuple[Item, ...] = (
    *concurrency.ITEMS,
    *limits.ITEMS,
    *recycling.ITEMS,
    *proxy.ITEMS,
    *service.ITEMS,
    *memory.ITEMS,
    *signs.ITEMS,
)
"""In the order they are shown."""


def audit(subject: Subject) -> tuple[Finding, ...]:
    """Answer every item for one app."""
    answers = decided(subject, [item.judge(subject) for item in ITEMS])
    return tuple(Finding(subject.app, item, answer) for item, answer in zip(ITEMS, answers, strict=True))


__all__ = ["ITEMS", "Answer", "Finding", "Ground", "Item", "Outcome", "Subject", "audit"]
