"""Whether nginx keeps its connections to the app: only where all three directives say so."""

from __future__ import annotations

import pytest

from analyzerd.formats.nginx_includes import NginxText
from analyzerd.formats.settings import from_nginx

CONF = """
http {
  upstream app { server 127.0.0.1:8000; keepalive 16; keepalive_timeout 75s; }
  server {
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://app;
    }
  }
}
"""


def kept(text: str) -> tuple[object, object]:
    """Return idle connections and their time-out, None where nothing is said."""
    found = {s.name: s.value for s in from_nginx([NginxText("nginx.conf", text)])}
    return found.get("nginx.upstream_keepalive"), found.get("nginx.upstream_keepalive_timeout")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", (16, 75.0)),
        ("keepalive_timeout 75s;", "", (16, 60.0)),
        ('proxy_set_header Connection "";', "", (0, 75.0)),
        ("proxy_http_version 1.1;", "proxy_http_version 1.0;", (0, 75.0)),
        ("keepalive 16; keepalive_timeout 75s;", "", (None, None)),
        ("http://app", "http://127.0.0.1:8000", (None, None)),
        ("keepalive 16", "keepalive many", (0, 75.0)),
    ],
    ids=["kept", "default time-out", "told to close", "HTTP/1.0", "not said", "no upstream block", "no number"],
)
def test_what_the_configuration_says(old: str, new: str, expected: tuple[object, object]) -> None:
    """One directive less, and connections are closed or nobody can tell."""
    assert old in CONF
    assert kept(CONF.replace(old, new, 1)) == expected


def test_where_it_stands() -> None:
    """A proposal can point at the line."""
    found = {s.name: s.origin for s in from_nginx([NginxText("nginx.conf", CONF)])}
    assert found["nginx.upstream_keepalive"] == "nginx.conf:3"
