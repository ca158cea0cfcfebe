"""Several apps behind one nginx: whose requests are whose, by address, by log, or nobody's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.apps import Apps, nginx_settings_for, ours_of
from analyzerd.core.changes import of_nginx
from analyzerd.core.intake import Intake
from analyzerd.core.ledger import AppLedger, note_address
from analyzerd.core.replay import run_until
from analyzerd.formats.access import access_format
from analyzerd.formats.nginx_includes import NginxText
from analyzerd.formats.settings import from_nginx
from analyzerd.model import AccessTally, Change, Lines, Setting, Stream
from tests.core.loads import bucket, reading, ready, started
from tests.core.stage import RULES

FORMAT = '$msec "$request" $status urt=$upstream_response_time ua=$upstream_addr rl=$request_length'
TALLY = AccessTally(100.0, "nginx.access", "nginx.service", 5, {"200": 5})
CONF = """
http {
  access_log /var/log/nginx/access.log;
  upstream shop { server 127.0.0.1:8000; server 127.0.0.1:8001 backup; }
  server { location / { proxy_pass http://shop; } }
  server { access_log /var/log/nginx/api.log; access_log /var/log/nginx/both.log;
    location / { proxy_pass http://unix:/run/api.sock:/; }
    location /old { access_log /var/log/nginx/both.log; proxy_pass http://127.0.0.1:8000; }
    location /any { access_log /var/log/nginx/any.log; proxy_pass http://$backend; } }
}
"""


def ledgers(**addresses: str) -> dict[str, AppLedger]:
    """Return the apps with the addresses each listens on."""
    found = {app: AppLedger(app) for app in addresses}
    for app, text in addresses.items():
        note_address(found[app], text)
    return found


def owners(tally: AccessTally, known: dict[str, AppLedger], *others: AccessTally) -> list[str]:
    """Return the apps that take a tally for their own."""
    return [app for app in known if ours_of(app, Apps(), known, [tally, *others]).log(tally)]


def line(second: int, address: str, urt: str = "0.100", path: str = "/x") -> bytes:
    """Return one line of nginx's log."""
    return f'18000000{second:02}.000 "GET {path} HTTP/1.1" 200 urt={urt} ua={address} rl=99\n'.encode()


def test_requests_are_told_apart_by_the_address_in_their_line() -> None:
    """Each app gets its own, with its own times; several tries count where the last one went."""
    rows = [
        ("127.0.0.1:8000", "0.100"),
        ("unix:/run/api.sock", "0.900"),
        ("-", "-"),
        ("127.0.0.1:9, 127.0.0.1:8000", "0.1, 0.2"),
    ]
    block = b"".join(line(n, *row) for n, row in enumerate(rows))
    tallies = {t.upstream: t for t in access_format(FORMAT, False).tally(block)}
    assert {upstream: t.requests for upstream, t in tallies.items()} == {
        "": 1, "127.0.0.1:8000": 2, "unix:/run/api.sock": 1,
    }  # fmt: skip
    assert tallies["unix:/run/api.sock"].clocks["/x"].sum_s == pytest.approx(0.9)
    assert tallies["127.0.0.1:8000"].clocks["/x"].sum_s == pytest.approx(0.1)


def test_what_the_client_wrote_moves_no_request_to_another_app() -> None:
    """An address in a path is text, also when it stands where the real one might."""
    access_format.cache_clear()
    forged = line(1, "127.0.0.1:8000", path="/a ua=127.0.0.1:9000 b")
    (tally,) = access_format(FORMAT, False).tally(line(0, "127.0.0.1:8000") + forged)
    assert (tally.upstream, tally.requests) == ("127.0.0.1:8000", 2)


def test_one_app_keeps_what_nginx_answers_itself_until_there_is_a_second() -> None:
    """Static files count with the only app, as they always did, and with nobody where there are two."""
    access_format.cache_clear()
    reader = access_format(FORMAT, False)
    mixed = line(0, "127.0.0.1:8000") + line(1, "-", "-")
    assert [(t.upstream, t.requests) for t in reader.tally(mixed)] == [("127.0.0.1:8000", 2)]
    assert [(t.upstream, t.requests) for t in reader.tally(mixed)] == [("127.0.0.1:8000", 2)]
    assert len(reader.tally(line(2, "127.0.0.1:8001"))) == 1
    assert [(t.upstream, t.requests) for t in reader.tally(mixed)] == [("", 1), ("127.0.0.1:8000", 1)]


def test_many_addresses_are_not_kept_apart() -> None:
    """A log that names a thousand upstreams makes a handful of tallies."""
    access_format.cache_clear()
    block = b"".join(line(0, f"10.0.{n // 250}.{n % 250}:80") for n in range(1000))
    tallies = access_format(FORMAT, False).tally(block)
    assert len(tallies) <= 17
    assert sum(t.requests for t in tallies) == 1000


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("127.0.0.1:8000", ["shop"]),
        ("127.0.0.1:8000,127.0.0.1:8001", ["shop"]),
        ("unix:/run/api.sock", ["api"]),
        ("10.1.1.1:8002", ["wide"]),
        ("10.1.1.1:8000", []),
        ("127.0.0.1:8000,unix:/run/api.sock", []),
        ("127.0.0.1:9000", []),
        ("shop", []),
        ("?", []),
        ("", []),
    ],
)
def test_an_address_belongs_to_the_app_that_listens_there(upstream: str, expected: list[str]) -> None:
    """What nobody listens on, or several might have served, is nobody's: not measured."""
    known = ledgers(shop="127.0.0.1:8000,127.0.0.1:8001", api="unix:/run/api.sock", wide="0.0.0.0:8002")
    assert owners(replace(TALLY, upstream=upstream), known) == expected


def test_a_log_may_be_said_to_be_of_an_app() -> None:
    """``unit`` of a configured log file names the app whose requests it holds."""
    known = ledgers(shop="127.0.0.1:8000", api="127.0.0.1:8001")
    assert owners(replace(TALLY, unit="shop.service"), known) == ["shop"]


def test_an_only_app_has_all_but_what_provably_went_elsewhere() -> None:
    """An unknown address is its own, behind another proxy, until requests are seen that reach it directly."""
    known, other = ledgers(shop="127.0.0.1:8000"), replace(TALLY, upstream="127.0.0.1:9000")
    assert owners(TALLY, known) == ["shop"]
    assert owners(other, known) == ["shop"]
    assert owners(other, known, replace(TALLY, upstream="127.0.0.1:8000")) == []


def test_the_configuration_says_which_log_leads_where() -> None:
    """A log of its own per server, an inherited one, a shared one, and one only a request can tell."""
    settings = {s.name: s.value for s in from_nginx([NginxText("/etc/nginx/nginx.conf", CONF)])}
    assert str(settings["nginx.access_log_upstreams"]).splitlines() == [
        "/var/log/nginx/access.log 127.0.0.1:8000,127.0.0.1:8001",
        "/var/log/nginx/api.log unix:/run/api.sock",
        "/var/log/nginx/both.log unix:/run/api.sock,127.0.0.1:8000",
        "/var/log/nginx/any.log ?",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("file:/var/log/nginx/api.log", "unix:/run/api.sock"),
        ("file:copied/api.log", "unix:/run/api.sock"),
        ("file:copied/api.log.2.gz", "unix:/run/api.sock"),
        ("file:/var/log/nginx/other.log", ""),
    ],
)
def test_a_log_without_addresses_is_told_by_its_path(name: str, expected: str) -> None:
    """Where the format does not name the upstream the configuration does."""
    intake = Intake(RULES, {})
    for setting in from_nginx([NginxText("/etc/nginx/nginx.conf", CONF)]):
        intake.learn(setting)
    stream = Stream(name, "nginx.access", "", '$msec "$request" $status urt=$upstream_response_time')
    (tally,) = intake.feed(Lines(stream, b'1800000000.000 "GET /x HTTP/1.1" 200 urt=0.1\n'), 0.0)
    assert isinstance(tally, AccessTally)
    assert tally.upstream == expected


def test_an_app_has_the_time_limit_of_its_own_location() -> None:
    """The smallest of all is another app's; an only app may be known to nginx by another address."""
    text = (
        "http { proxy_read_timeout 50s; server { location / { proxy_pass http://127.0.0.1:8000; }\n"
        "location /api { proxy_read_timeout 5s; proxy_pass http://unix:/run/api.sock:/; } } }"
    )
    told = {s.name: s for s in from_nginx([NginxText("/etc/nginx/nginx.conf", text)], unit="nginx.service")}
    assert told["nginx.proxy_read_timeout"].value == 5
    name = "nginx.proxy_read_timeout"
    for known, alone, expected in (
        (("127.0.0.1:8000",), False, (50, "/etc/nginx/nginx.conf:1")),
        (("unix:/run/api.sock",), False, (5, "/etc/nginx/nginx.conf:2")),
        (("10.0.0.1:80",), True, (5, "/etc/nginx/nginx.conf:2")),
    ):
        one = nginx_settings_for(told, known, alone=alone)[name]
        assert (one.name, one.value, one.origin) == (name, *expected)
    assert name not in nginx_settings_for(told, ("10.0.0.1:80",), alone=False)


def test_a_change_of_nginx_is_of_the_app_whose_location_it_is() -> None:
    """And the smallest value of all is no change of its own beside it."""
    known = {"nginx.t": setting("nginx.t", 5), "nginx.t@127.0.0.1:8000": setting("nginx.t@127.0.0.1:8000", 5)}
    apps = ledgers(shop="127.0.0.1:8000", api="127.0.0.1:8001")
    for name, expected in (("nginx.t", None), ("nginx.t@127.0.0.1:8000", "shop"), ("nginx.other", "")):
        change = of_nginx(Change(1.0, "", "setting", name, 5, 6, "n:1"), known, apps)
        assert (change.app if change else None) == expected
        assert change is None or "@" not in change.what


def setting(name: str, value: int) -> Setting:
    """Make one of nginx's."""
    return Setting(0.0, "nginx.service", name, value, "n:1")


def test_a_slow_app_is_told_and_its_neighbour_is_not() -> None:
    """Two apps behind one nginx: the queue before one is seen and named, the other one's requests do not hide it."""
    engine, at_s = started(1_801_000_000.0), 1_801_000_000.0
    ready(engine, at_s)
    note_address(engine.state.ledgers["app"], "127.0.0.1:8000")
    engine.state.ledgers["api"] = ledgers(api="127.0.0.1:8001")["api"]
    for number in range(30):
        now_s = at_s + 10.0 * number
        own, slow = bucket(now_s, 95, 0.2, 2.2 if number > 12 else 0.2)
        for item in (own, replace(slow, upstream="127.0.0.1:8000"), reading(now_s + 2, 17), reading(now_s + 7, 17)):
            engine.step(item)
        for tally in bucket(now_s, 900, 0.01):
            served = tally.source == "gunicorn.access"
            engine.step(replace(tally, unit="api.service") if served else replace(tally, upstream="127.0.0.1:8001"))
        list(run_until(engine, now_s + 10.0))
    told = {(e.incident.app, e.incident.cause) for e in engine.state.incidents.values()}
    assert told == {("app", "too-few-workers")}
