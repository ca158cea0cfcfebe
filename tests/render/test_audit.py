"""An audit's words: grouped, coloured only when asked, places and changes for what fails, hostile text harmless."""

from __future__ import annotations

import json

from analyzerd.core.audit import ITEMS, Answer, Finding, Outcome
from analyzerd.render.audit import WIDTH, as_json, details, table

EVIL = "\x1b[2Jfrom\u202e nginx.conf\nFAIL\n  forged password=hunter2 " + "x" * 5000
FINDINGS = tuple(
    Finding(app, ITEMS[number], Answer(outcome, f"reason {number}", f"key = {number}", (f"/etc/file:{number}",)))
    for app in ("blog", "shop")
    for number, outcome in enumerate((Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.FAIL))
)


def test_a_table_for_each_app_worst_first() -> None:
    """What fails has its change and its place; what passes only its reason."""
    text = table(FINDINGS, ("the journal was not read",))
    blog, shop, note = text.split("\n\nshop: ")[0], text.split("\n\nshop: ")[1], text.splitlines()[-1]
    assert blog.splitlines() == [
        "blog: 2 fail, 1 cannot tell, 1 pass",
        "",
        "FAIL",
        "  worker-class          reason 1",
        "                        -> key = 1",
        "                        at /etc/file:1",
        "  threads               reason 3",
        "                        -> key = 3",
        "                        at /etc/file:3",
        "",
        "CANNOT TELL",
        "  class-as-written      reason 2",
        "                        -> key = 2",
        "",
        "PASS",
        "  workers               reason 0",
    ]
    assert shop.startswith("2 fail, 1 cannot tell, 1 pass\n")
    assert note == "Note: the journal was not read"


def test_colour_only_when_asked() -> None:
    """The three headings, and the outcome of an item in detail."""
    assert "\x1b" not in table(FINDINGS) + details(FINDINGS)
    text = table(FINDINGS[:4], colour=True)
    assert [line for line in text.splitlines() if "\x1b" in line] == [
        "\x1b[31mFAIL\x1b[0m",
        "\x1b[33mCANNOT TELL\x1b[0m",
        "\x1b[32mPASS\x1b[0m",
    ]
    assert "\x1b[32mpass\x1b[0m" in details(FINDINGS[:1], colour=True)


def test_hostile_text_stays_inside_its_cell() -> None:
    """No line of its own, no terminal code, no secret, no endless row; in every form."""
    finding = Finding(EVIL, ITEMS[0], Answer(Outcome.FAIL, EVIL, EVIL, (EVIL,) * 50))
    shown = (table((finding,), (EVIL,)), details((finding,)), as_json((finding,), (EVIL,)))
    for text in shown:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "hunter2" not in text
        assert len(text) < 20_000
    assert [line for line in shown[0].splitlines() if line == "FAIL"] == ["FAIL"]
    forged = [line for line in shown[0].splitlines() if "forged" in line and not line.startswith((" ", "Note"))]
    assert forged == shown[0].splitlines()[:1]


def test_long_reasons_are_wrapped_between_words() -> None:
    """So that a path can be copied whole."""
    path = "/srv/" + "a" * 90 + "/gunicorn.conf.py"
    finding = Finding("shop", ITEMS[0], Answer(Outcome.FAIL, f"{'word ' * 60}{path}"))
    lines = table((finding,)).splitlines()
    assert any(line.strip() == path for line in lines)
    assert all(len(line) <= WIDTH for line in lines if path not in line)


def test_the_json_has_the_documented_keys_and_the_same_bytes() -> None:
    """Schema analyzerd.audit/1."""
    assert as_json(FINDINGS) == as_json(FINDINGS)
    whole = json.loads(as_json(FINDINGS, ("n",)))
    assert list(whole) == ["schema", "apps", "notes"]
    assert whole["schema"] == "analyzerd.audit/1"
    assert [(app["app"], app["counts"]) for app in whole["apps"]] == [
        (name, {"fail": 2, "cannot tell": 1, "pass": 1}) for name in ("blog", "shop")
    ]
    keys = {"id", "question", "outcome", "reason", "change", "places", "guide", "causes", "references"}
    assert all(set(item) == keys for app in whole["apps"] for item in app["items"])
