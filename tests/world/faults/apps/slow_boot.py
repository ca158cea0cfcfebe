"""An application whose import waits for something that never comes."""

import os
import time

time.sleep(float(os.environ.get("BOOT_S", "600")))

from lab_app import app  # noqa: E402

__all__ = ["app"]
