"""Only the named units are read, globs grow with the machine, and only root speaks about a unit."""

import pytest

from analyzerd.sources.journal import JournalSource, read_all
from analyzerd.sources.journal_reader import STARTING
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def test_foreign_units_are_not_read(journald: Journald) -> None:
    """What other services write never enters, however alike their names are."""
    with Collected(JournalSource(["web.service"], path=str(journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.say("webcam.service", "private")
        journald.say("other.service", "web.service")
        journald.say("web.service", "ours")
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"ours"]
    assert seen.entries[0].unit == "web.service"
    assert seen.entries[0].fields == {}


def test_instances_of_a_glob(journald: Journald) -> None:
    """A glob reads all instances logged so far, and no template's neighbour."""
    journald.say("inst@1.service", "one")
    journald.say("inst@2.service", "two")
    journald.say("inst.service", "none")
    found = [e for part in read_all(str(journald.directory), ["inst@*.service"]) for e in part.entries]
    assert {(entry.unit, entry.message) for entry in found} == {
        ("inst@1.service", b"one"),
        ("inst@2.service", b"two"),
    }


def test_instance_that_appears_later(journald: Journald) -> None:
    """Entries of a new instance are read from its very first, though it was unknown then."""
    source = JournalSource(["late@*.service"], path=str(journald.directory), look_around_s=0.2)
    journald.say("late@1.service", "known")
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.say("late@2.service", "early")
        journald.say("late@1.service", "between")
        journald.say("late@2.service", "later")
        seen.until(lambda: len(seen.messages) >= 3)
        journald.say("late@2.service", "end")
        seen.until(lambda: b"end" in seen.messages)
    assert sorted(seen.messages) == [b"between", b"early", b"end", b"later"]


def test_start_message_names_a_new_instance(journald: Journald) -> None:
    """The word of systemd about a start is enough to look again at once, not only every ten seconds."""
    source = JournalSource(["told@*.service"], path=str(journald.directory), look_around_s=60)
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.send("init.scope", "systemd", "Starting", MESSAGE_ID=STARTING, UNIT="foreign.service")
        journald.send("init.scope", "systemd", "Starting", MESSAGE_ID=STARTING, UNIT="told@7.service")
        journald.say("told@7.service", "hello")
        seen.until(lambda: b"hello" in seen.messages)
    assert seen.messages == [b"Starting", b"hello"]
    assert seen.entries[0].fields == {"MESSAGE_ID": STARTING, "UNIT": "told@7.service"}


def test_what_the_manager_says(journald: Journald) -> None:
    """Messages about a unit come with the fields that matter, never with the secrets of a core dump."""
    fields = {
        "UNIT": "core.service",
        "COREDUMP_UNIT": "core.service",
        "EXIT_STATUS": "9",
        "COREDUMP_ENVIRON": "SECRET=1",
        "COREDUMP_CMDLINE": "app --password x",
    }
    with Collected(JournalSource(["core.service"], path=str(journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.send("init.scope", "systemd", "Main process exited", **fields)
        seen.until(lambda: seen.messages)
    assert seen.entries[0].unit == "init.scope"
    assert seen.entries[0].fields == {
        "UNIT": "core.service",
        "COREDUMP_UNIT": "core.service",
        "EXIT_STATUS": "9",
    }


def test_a_unit_cannot_forge_about_itself(journald: Journald) -> None:
    """Fields that a watched service writes itself are not taken for the manager's."""
    with Collected(JournalSource(["forge.service"], path=str(journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.send("forge.service", "systemd", "oom-kill", UNIT="forge.service", UNIT_RESULT="oom-kill")
        seen.until(lambda: seen.messages)
    assert seen.entries[0].fields == {}
    assert seen.entries[0].unit == "forge.service"


def test_likely_units_without_names(own_journald: Journald) -> None:
    """Without names, units that look or sound like gunicorn or nginx are found."""
    own_journald.say("gunicorn-blog.service", "by name")
    own_journald.say("shop.service", "[2026-11-23 07:00:00 +0000] [12] [INFO] Starting gunicorn 23.0.0")
    own_journald.say("cron.service", "none of ours")
    found = [e.message for part in read_all(str(own_journald.directory)) for e in part.entries]
    assert len(found) == 2
    assert found[0] == b"by name"


def test_a_stretch_of_time(own_journald: Journald) -> None:
    """Both ends of the stretch are kept."""
    own_journald.say("app.service", "1")
    own_journald.say("app.service", "2")
    own_journald.say("app.service", "3")
    place = str(own_journald.directory)
    entries = [e for part in read_all(place, ["app.service"]) for e in part.entries]
    middle_s = entries[1].time_s
    kept = [e.message for p in read_all(place, ["app.service"], middle_s, middle_s) for e in p.entries]
    assert kept == [b"2"]
