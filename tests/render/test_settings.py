"""Settings in effect as a person and as a program read them."""

from __future__ import annotations

import json

from analyzerd.model import Setting
from analyzerd.render.settings import InEffect, as_json, as_text

ONE = InEffect(
    "shop",
    "shop.service",
    42,
    (
        Setting(0.0, "shop.service", "gunicorn.backlog", 2048, "gunicorn default"),
        Setting(0.0, "shop.service", "gunicorn.bind", "127.0.0.1:80\x1b[2J\nforged", "gunicorn.cmdline"),
        Setting(0.0, "shop.service", "gunicorn.preload_app", True, "/srv/g.py:4"),
        Setting(0.0, "shop.service", "nginx.proxy_read_timeout", 60.0, "/etc/nginx/nginx.conf:7"),
    ),
    (("gunicorn.workers", "/srv/g.py:3", "it is set under a condition"),),
    ("gunicorn.timeout: /srv/g.py:2 says 30, 10 is in effect: not loaded",),
    ("password=hunter2 may not be read",),
)


def test_the_table_shows_what_is_set_what_is_not_known_and_what_is_not_loaded() -> None:
    """Defaults only when asked for; nothing of a value moves the terminal."""
    text = as_text([ONE])
    assert text.splitlines() == [
        "shop (master 42, shop.service)",
        "  gunicorn.bind                        127.0.0.1:80 forged  gunicorn.cmdline",
        "  gunicorn.preload_app                 on                   /srv/g.py:4",
        "  nginx.proxy_read_timeout             60                   /etc/nginx/nginx.conf:7",
        "  1 more are defaults: --all shows them",
        "  gunicorn.workers                     not known            /srv/g.py:3: it is set under a condition",
        "  ! gunicorn.timeout: /srv/g.py:2 says 30, 10 is in effect: not loaded",
        "  ! password=[hidden] may not be read",
    ]
    assert "gunicorn.backlog" in as_text([ONE], defaults=True)
    assert "\x1b[33m  ! " in as_text([ONE], colour=True)


def test_json_holds_everything() -> None:
    """Defaults too, typed values, and the same bytes each time."""
    assert as_json([ONE]) == as_json([ONE])
    whole = json.loads(as_json([ONE]))
    assert whole["schema"] == "analyzerd.settings/1"
    (app,) = whole["apps"]
    assert [row["value"] for row in app["settings"]] == [2048, "127.0.0.1:80 forged", True, 60.0]
    assert app["unresolved"] == [
        {"name": "gunicorn.workers", "origin": "/srv/g.py:3", "because": "it is set under a condition"}
    ]
    assert app["blind_spots"] == ["password=[hidden] may not be read"]
