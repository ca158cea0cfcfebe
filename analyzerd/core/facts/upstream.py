"""Facts of nginx against gunicorn: addresses, queues, who gave up first, and deploys."""

from __future__ import annotations

from analyzerd.core.case import Case, version_tuple
from analyzerd.core.estimators import percentile, queue_wait
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.stack import durations_logged
from analyzerd.core.ledger import address_of
from analyzerd.core.measure import clocks_of
from analyzerd.formats.clock import middle_of
from analyzerd.model import Clock, Value

MINUTE_S = 60.0
LEAST_ANSWERED = 10
"""Requests that make a median."""
GIVEN_UP_FROM = 0.9
"""What took nginx longer than this share of its limit is counted as given up, not as answered."""
NGINX_DATES_TO_S = 1.0
"""Nginx's error log is dated in whole seconds: what it tells can have happened that much later."""


@fact("deploy.active")
def deploy_active(case: Case) -> Value:
    """Whether all of it happened inside a stop, restart or reload, and where it concerns our own address."""
    if not case.witnesses.reads("gunicorn") and not case.witnesses.reads("systemd"):
        return None
    ours = upstream_is_ours(case)
    if case.focus.kind == "upstream" and ours is False:
        return False
    grace = case.number("gunicorn.graceful_timeout") or 30.0
    worker = case.ledger.workers.get(case.worker or -1)
    booted_s = worker.booted_s if worker is not None else 0.0
    windows = (w for w in case.view.deploys(grace) if booted_s <= w[0])  # a new worker's death is no deploy
    by_nginx = all(rule.startswith("nginx.") for rule in case.focus.rules)
    first_s = case.focus.t0_s + (NGINX_DATES_TO_S if by_nginx else 0.0)
    return any(a <= first_s and case.focus.t1_s <= b for a, b in windows)


@fact("deploy.bad")
def deploy_bad(case: Case) -> Value:
    """Whether the restart itself failed: a boot error stands in the same minute."""
    return any(
        case.find(rule, within_s=60.0)
        for rule in (
            "gunicorn.boot-exception",
            "gunicorn.shutdown-reason",
            "gunicorn.app-not-found",
            "kernel.oom-kill",
            "gunicorn.bind-in-use",
        )
    )


@fact("upstream.address")
def upstream_address(case: Case) -> Value:
    """The address nginx tried."""
    for signal in case.opening():
        if signal.fields.get("upstream_address"):
            return address_of(str(signal.fields["upstream_address"]))
    return None


@fact("upstream.addresses")
def upstream_addresses(case: Case) -> Value:
    """All addresses nginx tried around the question."""
    found = {
        address_of(str(s.fields["upstream_address"]))
        for s in case.view.family("nginx.")
        if s.source == "nginx.error" and s.fields.get("upstream_address") and case.distance_s(s.time_s) <= 30
    }
    return ", ".join(sorted(found)) or None


@fact("upstream.is_ours")
def upstream_is_ours(case: Case) -> Value:
    """Whether the address nginx tried is one gunicorn listens at.

    Of an upstream block nginx prints only the name: there the addresses tried around it tell.
    """
    address = upstream_address(case)
    if not case.addresses or address is None:
        return None
    tried = [str(address)] if _is_address(str(address)) else str(upstream_addresses(case) or "").split(", ")
    known = [one for one in tried if _is_address(one)]
    return any(_matches(one, case.addresses) for one in known) if known else None


def _is_address(text: str) -> bool:
    return ":" in text or text.startswith(("unix", "/"))


def _matches(address: str, listeners: tuple[str, ...]) -> bool:
    port = address.rsplit(":", 1)[-1]
    everywhere = {f"0.0.0.0:{port}", f"[::]:{port}", f":{port}"}
    return address in listeners or bool(everywhere & set(listeners)) or f"localhost:{port}" in (address, *listeners)


@fact("upstream.is_other_loopback")
def upstream_other_loopback(case: Case) -> Value:
    """Whether nginx tried the IPv6 loopback while gunicorn listens on the IPv4 one at the same port (localhost)."""
    tried = upstream_addresses(case)
    if tried is None or not case.addresses:
        return None
    return any(
        one.startswith("[::1]:") and f"127.0.0.1:{one.rsplit(':', 1)[1]}" in case.addresses
        for one in str(tried).split(", ")
    )


@fact("listener.addresses")
def listener_addresses(case: Case) -> Value:
    """Where gunicorn listens."""
    return ", ".join(case.addresses) or None


@fact("gunicorn.alive")
def gunicorn_alive(case: Case) -> Value:
    """Whether a master of this app runs (none ended after the newest start, as far as its lines tell)."""
    masters = case.ledger.masters.values()
    if not masters:
        return None
    return any(m.ended_s is None or m.ended_s >= case.focus.t1_s for m in masters)


@fact("upstream.peers_tried")
def upstream_peers(case: Case) -> Value:
    """How many addresses nginx tried around the question."""
    tried = upstream_addresses(case)
    return None if tried is None else len(str(tried).split(", "))


@fact("mismatch.completed_s")
def mismatch_completed(case: Case) -> Value:
    """Longest request to a timed-out endpoint that gunicorn finished although nginx had given it up."""
    limit_s = case.number("nginx.proxy_read_timeout")
    given_up = {s.fields.get("endpoint") for s in case.find("nginx.read-timeout", within_s=600.0)}
    if not case.witnesses.reads("gunicorn.access") or not given_up:
        return None
    done = [
        float(d)
        for s in case.find("gunicorn.request-slow", within_s=600.0)
        if s.fields.get("endpoint") in given_up
        and isinstance(d := s.fields.get("duration_s"), int | float)
        and int(s.fields.get("status") or 0) < 500
        and (limit_s is None or d > limit_s)
    ]
    if done:
        return max(done)
    return 0.0 if durations_logged(case) else None


@fact("gunicorn.silent")
def gunicorn_silent(case: Case) -> Value:
    """Whether gunicorn printed nothing about a worker around the question."""
    if not case.witnesses.reads("gunicorn"):
        return None
    loud = (
        "gunicorn.worker-timeout",
        "gunicorn.worker-signal",
        "gunicorn.boot-exception",
        "gunicorn.worker-exit-code",
    )
    return not any(case.find(rule) for rule in loud)


@fact("requests.given_up")
def requests_given_up(case: Case) -> Value:
    """How many requests nginx gave up around the question."""
    return len(case.find("nginx.read-timeout"))


@fact("workers.never_ready")
def workers_never_ready(case: Case) -> Value:
    """Whether a worker had not written its heartbeat in any reading of three seconds before the question's end.

    A reading that shows the open files of a worker but no heartbeat among them is one of a worker still booting.
    Before gunicorn 22 the heartbeat file is dated when it is made, so that it does not tell.
    """
    version = version_tuple(case.ledger.version)
    if version and version < (22,):
        return None
    beats: dict[int, list[tuple[float, bool]]] = {}
    for sample in case.samples:
        if case.focus.t0_s - 60.0 <= sample.time_s <= case.focus.t1_s:
            for r in sample.processes:
                if r.role == "worker" and r.fds is not None and case.worker in (None, r.pid):
                    ready = r.heartbeat_age_s is not None and r.heartbeat_age_s > -1e6
                    beats.setdefault(r.pid, []).append((sample.time_s, ready))
    if not beats:
        return None
    return any(not any(ok for _, ok in seen) and seen[-1][0] - seen[0][0] >= 3.0 for seen in beats.values())


@fact("listen.overflows")
def listen_overflows(case: Case) -> Value:
    """Connections the kernel dropped because an accept queue was full, in the minute around the question."""
    counts = [
        s.host.netstat["ListenOverflows"]
        for s in case.samples
        if case.distance_s(s.time_s) <= 60.0 and "ListenOverflows" in s.host.netstat
    ]
    return counts[-1] - counts[0] if len(counts) >= 2 else None


@fact("listen.queue_full_share")
def queue_full_share(case: Case) -> Value:
    """Share of readings in which an accept queue stood at its limit."""
    backlog = case.number("gunicorn.backlog")
    full = [
        reading.queue >= limit
        for sample in case.samples
        if case.distance_s(sample.time_s) <= 60.0
        for reading in sample.listeners
        if reading.queue is not None and (limit := reading.queue_limit or backlog) is not None
    ]
    return sum(full) / len(full) if full else None


@fact("listen.queued_share")
def queued_share(case: Case) -> Value:
    """How long answered requests waited before gunicorn took them (median), as a share of nginx's limit.

    Of the minute before; those that were given up are left out: where they were is the question. Without clocks, 0
    where the accept queue was seen to be empty.
    """
    limit_s, wait_s = case.number("nginx.proxy_read_timeout"), _answered_wait_s(case)
    if limit_s and wait_s is not None:
        return round(wait_s / limit_s, 3)
    return None if _queue_stands(case) is not False else 0.0


def _answered_wait_s(case: Case) -> float | None:
    limit_s = case.number("nginx.proxy_read_timeout") or 0.0
    from_s, to_s = case.focus.t0_s - MINUTE_S, case.focus.t1_s
    recent = [t for t in case.tallies if case.ours.log(t) and from_s <= t.time_s <= to_s]
    asked, served = clocks_of(recent, "nginx.access"), clocks_of(recent, "gunicorn.access")
    bins = {number: n for number, n in asked.bins.items() if middle_of(number) < GIVEN_UP_FROM * limit_s}
    answered = Clock(sum(bins.values()), 0.0, bins)
    if answered.n < LEAST_ANSWERED or not served.n:
        return None
    return queue_wait(percentile(answered, 0.5), percentile(served, 0.5))


def _queue_stands(case: Case) -> bool | None:
    """Whether connections waited to be accepted in half of the readings of the minute before; None: not read."""
    waiting = [
        reading.queue > 0
        for sample in case.samples
        if case.focus.t0_s - MINUTE_S <= sample.time_s <= case.focus.t1_s
        for reading in sample.listeners
        if reading.queue is not None and case.ours.unit(reading.unit)
    ]
    return 2 * sum(waiting) >= len(waiting) if waiting else None


@fact("listen.abandoned")
def listen_abandoned(case: Case) -> Value:
    """Connections that nginx had closed and workers still held, after it gave up: their requests went on.

    The most that a reading of the following half minute shows; None where no TCP connections were read.
    """
    counts = [
        sum(known)
        for s in case.samples
        if case.focus.t0_s <= s.time_s <= case.focus.t1_s + 30.0
        and (known := [x.close_wait for x in s.listeners if x.close_wait is not None and case.ours.unit(x.unit)])
    ]
    return max(counts, default=None)


@fact("upstream.ours_is_configured")
def upstream_ours_is_configured(case: Case) -> Value:
    """Whether nginx's configuration also names an address gunicorn listens at: then others belong to others."""
    named = case.setting("nginx.upstream_addresses")
    if not named or not case.addresses:
        return None
    return any(_matches(address_of(part), case.addresses) for part in str(named).split(","))


@fact("upstream.closed_after_s")
def closed_after(case: Case) -> Value:
    """Longest time after which a request of the question ended with 502, as nginx's access log prints it."""
    times = [
        float(t)
        for s in case.find("nginx.request-failed", within_s=2.0)
        if s.fields.get("status") == 502 and isinstance(t := s.fields.get("upstream_s"), int | float)
    ]
    return max(times, default=None)


@fact("upstream.unrepeatable_share")
def unrepeatable_share(case: Case) -> Value:
    """Share of the lost requests that nginx does not send a second time (POST, PATCH, LOCK); None: none is named."""
    methods = [str(s.fields["method"]) for s in case.opening() if s.fields.get("method")]
    return sum(m in ("POST", "PATCH", "LOCK") for m in methods) / len(methods) if methods else None


@fact("upstream.gunicorn_closes_first")
def gunicorn_closes_first(case: Case) -> Value:
    """Whether gunicorn closes idle connections before nginx does, or in the same moment."""
    own, nginx = case.number("gunicorn.keepalive"), case.number("nginx.upstream_keepalive_timeout")
    return None if own is None or nginx is None else own <= nginx
