"""The pages about causes say what the rules do."""

from __future__ import annotations

from analyzerd.cli.diagnose import load_rules
from analyzerd.core.audit import ITEMS
from docs.generate import AUDIT, CAUSES, audit_page, outdated, pages

RULES = load_rules([])


def test_the_pages_are_up_to_date() -> None:
    """Whoever changes a rule runs `make docs`."""
    assert outdated(RULES) == []


def test_every_cause_has_a_page_and_the_index_names_it() -> None:
    """A link in a message leads somewhere."""
    index = (CAUSES / "README.md").read_text()
    for cause in RULES.causes:
        assert f"({cause}.md)" in index
        assert (CAUSES / f"{cause}.md").is_file()


def test_the_page_about_the_audit_is_up_to_date_and_its_links_lead_somewhere() -> None:
    """Every cause an item names has a page."""
    assert AUDIT.read_text() == audit_page()
    assert [cause for item in ITEMS for cause in item.causes if not (CAUSES / f"{cause}.md").is_file()] == []


def test_no_placeholder_is_left_in_braces() -> None:
    """Rules show measured values in braces; a page shows their names."""
    assert [name for name, text in pages(RULES).items() if "{" in text] == []
