"""Files that are newer than what runs."""

from __future__ import annotations

from analyzerd.core.drift import Generation, drift

CONF, UNIT = "/srv/gunicorn.conf.py", "/etc/systemd/system/shop.service"


def said(started_s: float, workers_s: tuple[float, ...], **written_s: float) -> list[str]:
    """Ask about a config file and a unit."""
    places = {"conf": CONF, "unit": UNIT, "nginx": "/etc/nginx/nginx.conf"}
    return list(drift(Generation("gunicorn", started_s, workers_s), {places[k]: v for k, v in written_s.items()}))


def test_a_file_older_than_the_master_is_loaded() -> None:
    """And one written in the same moment."""
    assert said(1000.0, (1001.0,), conf=900.0, unit=1001.0) == []


def test_a_file_newer_than_every_worker_was_not_reloaded() -> None:
    """With both times, to the minute."""
    (one,) = said(1000.0, (1001.0, 1500.0), conf=2000.0)
    assert one == (
        f"{CONF} was edited 1970-01-01 00:33, the gunicorn master started 1970-01-01 00:16 and no worker is younger: "
        "not reloaded"
    )
    assert "not reloaded" in said(1000.0, (), nginx=2000.0)[0]


def test_workers_that_are_all_younger_prove_a_reload() -> None:
    """Some older and some younger prove nothing: workers are recycled too."""
    assert said(1000.0, (2100.0, 2200.0), conf=2000.0) == []
    assert "cannot tell" in said(1000.0, (1001.0, 2200.0), conf=2000.0)[0]


def test_a_unit_counts_from_the_start_of_the_master() -> None:
    """A reload does not read it."""
    assert "not in effect before a restart" in said(1000.0, (2100.0,), unit=2000.0)[0]
