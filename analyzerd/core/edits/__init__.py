"""Changes of configuration files as bytes before and after. Opens no file, writes none."""

from analyzerd.core.edits.edit import Edit, EditError
from analyzerd.core.edits.gunicorn import set_in_config
from analyzerd.core.edits.nginx import change_directive, insert_beside_proxy_pass
from analyzerd.core.edits.unified import as_bytes, rollback, unified
from analyzerd.core.edits.unit import drop_in, with_option

__all__ = [
    "Edit",
    "EditError",
    "as_bytes",
    "change_directive",
    "drop_in",
    "insert_beside_proxy_pass",
    "rollback",
    "set_in_config",
    "unified",
    "with_option",
]
