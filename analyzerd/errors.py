"""One exception per edge; each carries what its caller needs to decide."""

from __future__ import annotations


class AnalyzerdError(Exception):
    """Base of every error a person is meant to read."""


class TextError(AnalyzerdError):
    """A mistake in a text file, with its place: ``path:line:column: message``."""

    def __init__(self, message: str, path: str = "", line: int = 0, column: int = 0) -> None:
        self.message, self.path, self.line, self.column = message, path, line, column
        place = ":".join(str(part) for part in (path, line, column) if part)
        super().__init__(f"{place}: {message}" if place else message)


class ConfigError(TextError):
    """analyzerd.yaml, the environment or a credential cannot be used (exit 78)."""


class RuleError(TextError):
    """A rule file cannot be used; the last good version of it stays in force."""


class SourceError(AnalyzerdError):
    """A log source cannot be read; it becomes a named blind spot."""


class StoreError(AnalyzerdError):
    """The database cannot be used (wrong version, locked, disk full)."""


class DeliveryError(AnalyzerdError):
    """A message did not reach its sink.

    ``permanent``: sending the same payload again cannot help.
    ``retry_after_s``: what the sink asked for, or None.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.permanent, self.retry_after_s = permanent, retry_after_s
