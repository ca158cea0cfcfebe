"""The closed words a rule may use. Facts and solvers are registered in core and handed to the loader."""

from __future__ import annotations

SOURCES = ("gunicorn", "gunicorn.access", "nginx.error", "nginx.access", "kernel", "systemd", "app", "derived", "stack")
"""Values of ``Event.source``; ``derived`` is what the watch concludes from readings and request clocks, ``stack`` what
py-spy saw."""

STREAM_SOURCES = {
    "gunicorn": ("gunicorn", "app"),
    "app": ("app", "gunicorn"),
    "gunicorn.access": ("gunicorn.access",),
    "nginx.error": ("nginx.error",),
    "nginx.access": ("nginx.access",),
    "kernel": ("kernel",),
    "systemd": ("systemd",),
    "journal": ("gunicorn", "app", "nginx.error"),
}
"""Which sources the events of a stream of each kind can have: the app writes into gunicorn's stream."""

SIGNAL_KEYS = (
    "rule", "kind", "status", "severity", "title", "description", "references", "source", "match", "fields",
    "opens", "benign", "tests",
)  # fmt: skip
MATCH_KEYS = ("contains", "raw", "regex", "event", "where", "on")
MATCHED_FIELDS = ("text", "message", "exception_text", "exception_detail", "root_exception")
"""What ``match: {on: ...}`` may name: the event's text or one of its text fields."""

CAUSE_KEYS = (
    "rule", "kind", "status", "title", "guide_cause", "severity", "prior", "rank", "benign", "applies",
    "opens_on", "key", "min_count", "description", "references", "evidence", "against", "because",
    "explains_away", "folds", "folds_within", "info_when", "critical_when", "recommend", "verify",
    "moves", "promise", "tests",
)  # fmt: skip
MOVES = (
    "queue_p95", "run_queue", "imbalance", "accept_queue", "throttled", "major_faults", "faults_per_request",
    "utilisation", "service_mean", "idle up", "switches", "cpu_ratio up", "memory_bytes",
)  # fmt: skip
"""Gauges that a cause may name as what its advice acts on (core/meter.py measures them)."""
PROMISES = ("p95", "mean", "memory", "growth")
"""What a cause may name as what its advice makes smaller, where it is neither its events nor request times' p95."""
CONDITION_KEYS = (
    "id", "signal", "absent", "fact", "setting", "is", "join", "within", "where", "count", "weight",
    "decisive", "required", "says", "says_not", "missing",
)  # fmt: skip
SUBJECT_KEYS = ("signal", "absent", "fact", "setting")
BECAUSE_KEYS = ("id", "when", "says")
ADVICE_KEYS = ("setting", "solver", "when", "says", "verify")
APPLIES_KEYS = ("gunicorn", "worker_class")
SIGNAL_TEST_KEYS = ("name", "source", "line", "lines", "entry", "log_format", "expect")
CAUSE_TEST_KEYS = ("name", "stream", "expect")
CAUSE_EXPECT_KEYS = ("cause", "verdict", "because", "incidents")

CAUSES = (
    "too-many-workers", "too-few-workers", "wrong-worker-class", "too-many-threads", "timeout-too-low",
    "timeout-too-high", "no-worker-recycling", "nginx-timeout-mismatch", "db-pool-too-small", "memory-overcommit",
    "app-slow", "app-cpu-loop", "app-native-hang", "app-waits-on-database", "app-waits-on-api", "app-waits",
    "db-pool-leak", "slow-client-upload", "idle-client-connection", "event-loop-blocked", "worker-tmp-dir-blocked",
    "worker-stuck-on-exit", "multiple-binds-halve-timeout", "process-frozen", "stuck-requests", "out-of-memory",
    "external-kill", "native-crash", "silent-exit", "app-exit", "master-killed", "boot-failure", "boot-hang",
    "bind-in-use", "restart-loop", "upstream-refused", "listen-mismatch", "localhost-two-addresses",
    "socket-permission", "socket-missing", "no-live-upstreams", "cpu-saturated", "noisy-neighbour", "cpu-quota",
    "gthread-hoarding", "backlog-overflow", "nginx-connections-exhausted", "memory-thrash", "db-connection-limit",
    "recycle-wave", "recycle-churn", "recycle-race", "keepalive-race", "response-header-too-big",
    "request-body-too-big", "file-descriptors-exhausted", "disk-full", "preload-shared-connection", "unknown",
)  # fmt: skip
"""Every answer there is to be: ids are a contract with whoever reads a message or the JSON."""

UNDECIDED = "unknown"
"""The honest answer where no suspect stands; never surer than possible."""

BENIGN = (
    "deploy", "healthy-recycling", "client-abort", "bot-noise", "control-socket-noise", "single-slow-request",
)  # fmt: skip
"""Findings that are counted and never told."""

KINDS = ("signal", "cause")
WORKER_CLASSES = ("sync", "gthread", "gevent", "eventlet", "tornado", "asgi")

TEMPLATE_WORDS = frozenset({"value", "count", "current", "proposed", "setting", "app", "unit", "pid", "time"})
"""Names that may stand in any sentence."""

EVENT_FIELDS = frozenset((
    "level", "event", "exception", "exception_text", "frame", "frame_path", "frame_code", "inner_frame",
    "stack_kind", "aborted", "method", "path", "endpoint", "message", "action", "errno", "client",
    "server", "upstream", "upstream_address", "host", "status", "request_s", "upstream_s", "connect_s",
    "upstream_status", "duration_s", "comm", "anon_rss_bytes", "constraint", "oom_memcg", "task_memcg",
    "unit", "limit_bytes", "usage_bytes", "tasks", "same_name_tasks", "victim_rss_bytes",
    "median_same_name_rss_bytes", "sum_same_name_rss_bytes", "largest_other_comm",
    "largest_other_rss_bytes", "library", "address", "exit_code", "exit_status", "result", "restarts",
    "job_result", "coredump_pid", "coredump_signal", "dropped", "command", "memory_peak_bytes", "pid",
))  # fmt: skip
"""Fields the formats put on events; a sentence about a signal may name them."""

SETTING_PREFIXES = ("gunicorn.", "nginx.", "systemd.", "kernel.", "sqlalchemy.")
"""First parts of dotted setting names, which sentences may show."""

ADJUSTABLE = ("severity", "status", "min_count")
ADJUSTABLE_OF_CONDITION = ("is", "within")
