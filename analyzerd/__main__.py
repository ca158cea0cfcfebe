"""The daemon's command: ``analyzerd run``. Parses arguments and hands over; does no work itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analyzerd import __version__

EX_CONFIG = 78


def main(argv: list[str] | None = None) -> int:
    """Run the daemon; 0 after a clean stop, 78 when the configuration cannot be used, 1 on other errors."""
    parser = argparse.ArgumentParser(
        prog="analyzerd", description="Watches gunicorn and nginx, and says on Slack why something failed."
    )
    parser.add_argument("--version", action="version", version=f"analyzerd {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="watch until stopped (systemd runs this)")
    run.add_argument("--config", type=Path, metavar="FILE", help="instead of /etc/analyzerd/analyzerd.yaml")
    run.add_argument("--once", action="store_true", help="read what is there now, report, and end")
    arguments = parser.parse_args(argv)
    return _run(arguments.config, once=arguments.once)


def _run(config_path: Path | None, *, once: bool) -> int:
    from analyzerd.errors import AnalyzerdError, ConfigError  # noqa: PLC0415

    try:
        from analyzerd import daemon  # noqa: PLC0415 - --help must not wait for slack_sdk and pydantic

        return daemon.run(config_path, once=once)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"error: {error.name} is not installed; the daemon needs: pip install 'analyzerd[daemon]'\n")
        return 1
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return EX_CONFIG
    except AnalyzerdError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
