"""Nginx's own verdict on files that are not there yet."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.cli.nginx_check import checked_on_copy
from analyzerd.core.edits import Edit
from analyzerd.errors import AnalyzerdError
from analyzerd.model import Incident, Recommendation
from analyzerd.sources.proposed import Here, propose
from tests.made_incidents import numbered

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nginx") or not shutil.which("unshare"), reason="root, nginx, unshare"
)
CONF = (
    "pid {home}/pid; error_log {home}/error.log; events {{}}\nhttp {{ access_log off; client_body_temp_path {home}/b;\n"
    "proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n"
    "proxy_read_timeout 30s;\nserver {{ listen 127.0.0.1:9;\nlocation / {{ proxy_pass http://127.0.0.1:8000; }}\n"
    "location /api {{ proxy_pass http://127.0.0.1:8001; }} }} }}\n"
)


def incident(advice: Recommendation) -> Incident:
    """Make one that asks for this."""
    return replace(numbered(1), recommendations=(advice,))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Write a configuration that nginx accepts."""
    path = tmp_path / "nginx.conf"
    path.write_text(CONF.format(home=tmp_path))
    return path


def test_what_nginx_refuses_is_never_written(conf: Path) -> None:
    """It names the line, and the file has not been touched."""
    old, before = conf.read_bytes(), conf.stat()
    broken = Edit(str(conf), old, old.replace(b"30s", b"30 parsecs"))
    if not checked_on_copy([Edit(str(conf), old, old.replace(b"30s", b"35s"))], ("nginx", "-t", "-c", str(conf))):
        pytest.skip("no mount namespace can be made here")
    with pytest.raises(
        AnalyzerdError, match=r'refuses the change.*invalid number of arguments in "proxy_read_timeout"'
    ):
        checked_on_copy([broken], ("nginx", "-t", "-c", str(conf)))
    assert (conf.read_bytes(), conf.stat().st_mtime_ns) == (old, before.st_mtime_ns)


def test_what_others_inherit_is_named(conf: Path) -> None:
    """A limit that stands in http holds for both locations."""
    advice = Recommendation(
        "nginx.proxy_read_timeout", "wait longer", current=30.0, proposed="35s", file=str(conf), line=4
    )
    found = propose(incident(advice), advice.setting, Here(nginx=str(conf)))
    (warning,) = found.warnings
    assert f"proxy_read_timeout at {conf}:4 holds for all of these: location / -> http://127.0.0.1:8000" in warning
    assert "location /api -> http://127.0.0.1:8001" in warning
    assert found.nginx_check == ("nginx", "-c", str(conf), "-t")
