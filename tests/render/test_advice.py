"""What to do, in words and numbers: tied changes stand with the one they belong to, a missing number has its reason."""

from __future__ import annotations

from dataclasses import replace

from analyzerd.model import Recommendation
from analyzerd.render import blocks
from analyzerd.render.explained import explained
from analyzerd.render.text import incident_text
from tests.made_incidents import OUT_OF_MEMORY

THREADS = Recommendation("gunicorn.threads", "run more threads", 2, 4, "18 at once", file="/srv/conf.py", line=3)
TIED = Recommendation("gunicorn.worker_connections", "goes with it", 3, 5, "4 + 1", tied_to="gunicorn.threads")
MISSING = Recommendation("gunicorn.workers", "or more workers", arithmetic="not computed: no CPU per request measured")


def test_explain_shows_all_of_it() -> None:
    """Every number with its arithmetic, and every reason."""
    text = explained(replace(OUT_OF_MEMORY, recommendations=(THREADS, TIED, MISSING)), ())
    assert "gunicorn.threads: run more threads\n  gunicorn.threads: 2 -> 4\n  # 18 at once\n" in text
    assert "gunicorn.workers: or more workers\n  # not computed: no CPU per request measured\n" in text


def shown(*advice: Recommendation) -> tuple[str, str]:
    """Return the incident's text and its Slack message."""
    incident = replace(OUT_OF_MEMORY, recommendations=advice)
    return incident_text(incident, "opened"), str(blocks.message(incident, "opened"))


def test_tied_changes_ship_with_the_first() -> None:
    """Both at once in the message itself; what is not tied is left to the thread."""
    for text in shown(THREADS, TIED, MISSING):
        assert "gunicorn.threads: 2 -> 4" in text
        assert "gunicorn.worker_connections: 3 -> 5" in text
        assert "or more workers" not in text
    assert "gunicorn.worker_connections" not in "".join(shown(THREADS, MISSING, TIED))


def test_a_number_that_could_not_be_computed_says_why() -> None:
    """In its place."""
    for text in shown(MISSING):
        assert "# not computed: no CPU per request measured" in text
        assert "->" not in text
