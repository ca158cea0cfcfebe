"""What stands in the database is for its owner alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from analyzerd.store.db import Store


def test_a_new_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Also in a folder others may enter, and whatever the umask."""
    with closing(Store(tmp_path / "analyzerd.db")):
        pass
    assert (tmp_path / "analyzerd.db").stat().st_mode & 0o777 == 0o600
