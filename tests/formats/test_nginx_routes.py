"""Each place that passes requests on is read with what holds there, and what may hold is not claimed."""

from __future__ import annotations

import time

from analyzerd.formats.nginx_includes import NginxText, included
from analyzerd.formats.nginx_routes import NginxConf, read_conf

MAIN = "/etc/nginx/nginx.conf"
SITE = "/etc/nginx/sites-enabled/shop"


def read(text: str, **includes: str) -> NginxConf:
    """A main file, and the texts of its includes by pattern (``sites`` is sites-enabled/*)."""
    patterns = {"sites": "/etc/nginx/sites-enabled/*", "own": "own.conf"}
    return read_conf(
        [NginxText(MAIN, text)], {patterns[name]: [NginxText(SITE, inside)] for name, inside in includes.items()}
    )


def test_a_location_has_its_own_an_inherited_or_the_default_limit() -> None:
    """Each with where it stands."""
    conf = read(
        "http {\n proxy_read_timeout 90;\n server {\n  proxy_connect_timeout 3s;\n"
        "  location /a { proxy_pass http://127.0.0.1:1; proxy_read_timeout 10s; }\n"
        "  location /b { proxy_pass http://127.0.0.1:1; }\n }\n}\n"
    )
    told = {
        route.location: {name: (one.seconds, one.place) for name, one in route.told.items() if "timeout" in name}
        for route in conf.routes
    }
    assert told == {
        "location /a": {"proxy_read_timeout": (10.0, f"{MAIN}:5"), "proxy_connect_timeout": (3.0, f"{MAIN}:4")},
        "location /b": {"proxy_read_timeout": (90.0, f"{MAIN}:2"), "proxy_connect_timeout": (3.0, f"{MAIN}:4")},
    }


def test_an_include_stands_where_it_is_written() -> None:
    """It inherits from there, and its places are its own."""
    conf = read(
        "http { proxy_read_timeout 7s; include /etc/nginx/mime.types; include /etc/nginx/sites-enabled/*; }",
        sites="server { server_name shop.example;\n location / { proxy_pass http://unix:/run/a.sock:/; } }",
    )
    (route,) = conf.routes
    assert (route.location, route.place, route.servers) == (
        "location / (shop.example)",
        f"{SITE}:2",
        ("unix:/run/a.sock",),
    )
    assert route.told["proxy_read_timeout"].seconds == 7.0
    assert conf.unread == ()


def test_what_an_unread_include_may_say_is_unknown() -> None:
    """Only directives that were seen are known; a file of MIME types hides nothing."""
    site = "server { location / { proxy_pass http://127.0.0.1:1; proxy_read_timeout 4s; } }"
    conf = read(f"http {{ include mime.types; include secret.conf; {site} }}")
    (route,) = conf.routes
    assert conf.unread == ("secret.conf",)
    assert route.told["proxy_read_timeout"].seconds == 4.0
    assert route.told["proxy_connect_timeout"].value is None
    assert route.logs is None
    assert included("http { include mime.types; include a/*.conf; }") == ("a/*.conf",)


def test_a_site_alone_does_not_know_what_stands_around_it() -> None:
    """Without the http block its defaults are unknown."""
    (route,) = read_conf([NginxText(SITE, "server { location / { proxy_pass http://127.0.0.1:1; } }")]).routes
    assert route.told["proxy_read_timeout"].value is None


def test_an_upstream_gives_its_servers_and_what_it_keeps() -> None:
    """With the time it keeps idle connections."""
    conf = read(
        "http { upstream app { server 127.0.0.1:1; server unix:/run/b.sock backup;\n"
        "keepalive 8; keepalive_timeout 9s; }\n"
        "server { location / { proxy_pass http://app/x; } } }"
    )
    (route,) = conf.routes
    assert route.servers == ("127.0.0.1:1", "unix:/run/b.sock")
    assert route.keepalive is not None
    assert (route.keepalive.value, route.keepalive_timeout.seconds) == ("8", 9.0)


def test_the_formats_of_the_logs_that_hold_at_a_location() -> None:
    """Off, default, named, unknown, and a log to syslog that is no file."""
    conf = read(
        "http { log_format t 'rt=$request_time ' 'urt=$upstream_response_time'; access_log /var/log/a.log t;\n"
        "server { access_log syslog:server=unix:/dev/log t;\n"
        "location /own { proxy_pass http://127.0.0.1:1; access_log off; }\n"
        "location /odd { proxy_pass http://127.0.0.1:1; access_log /b.log other; }\n"
        "location / { proxy_pass http://127.0.0.1:1; } } }"
    )
    logs = {route.location: route.logs for route in conf.routes}
    timed = "rt=$request_time urt=$upstream_response_time"
    assert logs == {"location /own": (), "location /odd": None, "location /": (timed,)}
    assert conf.access_logs == {"/var/log/a.log": timed, "/b.log": ""}


def test_an_include_of_itself_and_deep_nesting_end() -> None:
    """Hostile files cost little."""
    began_s = time.process_time()
    loop = "server { location / { proxy_pass http://127.0.0.1:1; } } include own.conf; include own.conf;"
    conf = read("http { include own.conf; }", own=loop)
    assert conf.unread[0] == "own.conf"
    assert len(conf.routes) <= 200
    read("http {" + "location / {" * 5000)
    assert time.process_time() - began_s < 5
