"""Lets nginx check changed configuration files before they are there, in a mount namespace nobody else sees."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from analyzerd.core.edits import Edit
from analyzerd.errors import AnalyzerdError

CHECK_S = 30.0
_MOUNT_AND_RUN = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'
_CANNOT = 125
"""Exit status of the shell above when a file cannot be covered; unshare's own is 1 and names it."""


def checked_on_copy(edits: Sequence[Edit], command: Sequence[str]) -> bool:
    """Run nginx's check with the new contents in place of the old, for it alone; False where that cannot be done.

    Raises AnalyzerdError with what nginx said when it refuses them. No file is changed either way.
    """
    with tempfile.TemporaryDirectory(prefix="analyzerd-check-") as folder:
        pairs: list[str] = []
        for number, edit in enumerate(edits):
            if edit.old is None or edit.new is None:
                continue
            real = Path(edit.path).resolve()
            copy = Path(folder, str(number))
            copy.write_bytes(edit.new)
            copy.chmod(real.stat().st_mode & 0o777)
            pairs += [str(copy), str(real)]
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT_AND_RUN, "sh", *pairs, "--"]
        try:
            done = subprocess.run(
                [*words, *command], capture_output=True, text=True, errors="replace", timeout=CHECK_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    if done.returncode == _CANNOT or done.stderr.startswith("unshare:"):
        return False
    if done.returncode:
        said = done.stderr[-2000:].strip()
        raise AnalyzerdError(f"{' '.join(command)} refuses the change, nothing was changed: {said}")
    return True
