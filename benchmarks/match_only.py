"""Matching alone, in a process of its own: the matcher over 1 MiB blocks, then each line's rules by regex.

Prints how many lines match at least one pattern, which must be what grep counts. Arguments: FILE.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from analyzerd.core.matcher import Matcher
from analyzerd.sources.chunks import file_chunks, whole_lines
from benchmarks.patterns import as_rules


def main() -> None:
    """Count the lines that match."""
    rules = as_rules()
    matcher = Matcher(rules)
    patterns = {rule.id: re.compile(rule.regex.encode(), re.ASCII) for rule in rules}
    count, notes = 0, list[str]()
    for block in whole_lines(file_chunks(Path(sys.argv[1]), notes), notes):
        for start, end, ids in matcher.scan("gunicorn", block):
            line = block[start:end]
            count += any(patterns[rule_id].search(line) for rule_id in ids)
    print(count)


if __name__ == "__main__":
    main()
