"""Reading a journal alone, in a process of its own: every entry with its fields. Arguments: FOLDER."""

from __future__ import annotations

import sys

from analyzerd.sources.journal import read_all


def main() -> None:
    """Count the entries."""
    print(sum(len(batch.entries) for batch in read_all(sys.argv[1])))


if __name__ == "__main__":
    main()
