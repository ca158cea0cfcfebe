"""Audit of worker recycling: on, spread out, and not so often that it costs capacity."""

from __future__ import annotations

import math

from analyzerd.core.audit.item import (
    LEAST_FOR_SIZE,
    Answer,
    Item,
    Subject,
    failed,
    passed,
    setting_page,
    unknown,
    unread,
)
from analyzerd.core.facts.recycling import ASSUMED_BOOT_S
from analyzerd.core.plan import Want

BOOTS_APART = 5
LIFE_IN_BOOTS = 60


def max_requests(s: Subject) -> Answer:
    """Workers are replaced before what they collect can matter."""
    limit, places = s.number("gunicorn.max_requests"), s.places("gunicorn.max_requests")
    if limit is None:
        return unread("max_requests")
    if limit == 0:
        reason = "max_requests = 0: workers are never recycled, whatever memory they collect"
        return failed(reason, "max_requests = 1000\nmax_requests_jitter = 100", places)
    return passed(f"max_requests = {limit:g}", places)


def jitter(s: Subject) -> Answer:
    """Workers do not leave together."""
    limit, spread = s.number("gunicorn.max_requests"), s.number("gunicorn.max_requests_jitter")
    places = s.places("gunicorn.max_requests", "gunicorn.max_requests_jitter")
    if limit is None or spread is None:
        return unread("max_requests or its jitter")
    if limit == 0:
        return passed("does not arise: max_requests = 0", places)
    if spread == 0:
        reason = f"max_requests = {limit:g} without jitter: workers that started together leave together"
        want = Want("max_requests_jitter", math.ceil(0.2 * limit), "see max-requests-jitter")
        return failed(reason, f"max_requests_jitter = {want.value}", places, want)
    rate, count = s.rate_per_worker, s.workers
    if rate is None or count is None or s.requests < LEAST_FOR_SIZE:
        return unknown(f"max_requests_jitter = {spread:g}; whether that is enough depends on the load", "", places)
    needed = math.ceil(BOOTS_APART * count * ASSUMED_BOOT_S * rate)
    each = f"{ASSUMED_BOOT_S:g} s to boot (assumed) x {rate:.1f} requests/s each"
    sums = f"{BOOTS_APART} x {count:g} workers x {each} = {needed}"
    if spread < needed:
        want = Want("max_requests_jitter", max(needed, math.ceil(0.2 * limit)), "see max-requests-jitter")
        reason = f"max_requests_jitter = {spread:g} is too little for workers to boot one after the other: {sums}"
        return failed(reason, f"max_requests_jitter = {want.value}", places, want)
    return passed(f"max_requests_jitter = {spread:g}, {sums}", places)


def churn(s: Subject) -> Answer:
    """Recycling costs less than a sixtieth of the capacity."""
    limit, rate, places = s.number("gunicorn.max_requests"), s.rate_per_worker, s.places("gunicorn.max_requests")
    if limit is None:
        return unread("max_requests")
    if limit == 0:
        return passed("does not arise: max_requests = 0", places)
    if rate is None or s.requests < LEAST_FOR_SIZE:
        return unknown(f"max_requests = {limit:g}; how often that recycles depends on the load", "", places)
    needed = math.ceil(LIFE_IN_BOOTS * ASSUMED_BOOT_S * rate)
    sums = f"{LIFE_IN_BOOTS} x {ASSUMED_BOOT_S:g} s to boot (assumed) x {rate:.1f} requests/s of a worker = {needed}"
    if limit < needed:
        every = f"every {limit / rate:.0f} s at the peak"
        want = Want("max_requests", needed, "see recycling-cost")
        reason = f"max_requests = {limit:g} recycles a worker {every}: {sums}"
        return failed(reason, f"max_requests = {needed}", places, want)
    return passed(f"max_requests = {limit:g}, {sums}", places)


ITEMS = (
    Item(
        "max-requests",
        "Are workers recycled?",
        "Checklist: max-requests and max-requests-jitter are enabled",
        ("no-worker-recycling",),
        (setting_page("max_requests"),),
        max_requests,
    ),
    Item(
        "max-requests-jitter",
        "Do workers recycle one after the other?",
        "Checklist: max-requests and max-requests-jitter are enabled",
        ("recycle-wave",),
        (setting_page("max_requests_jitter"),),
        jitter,
    ),
    Item(
        "recycling-cost",
        "Do workers live long enough that their boot does not cost capacity?",
        "",
        ("recycle-wave",),
        (setting_page("max_requests"),),
        churn,
    ),
)
