"""``make bench``: our speed and memory beside other tools on the same content, in one run, as tables.

Each command runs once per round, the order rotates, medians are shown. Rates are per second of CPU.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import generate, patterns, templates
from benchmarks.measure import Cost, Costs, run, summary
from benchmarks.tasks import SLICE_LINES, Task, all_tasks

PACKAGES = ("ripgrep", "fail2ban", "systemd-journal-remote")
REMOTE = Path("/lib/systemd/systemd-journal-remote")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def main() -> int:
    options = _options()
    _install_packages()
    data = _corpus(options.data / str(options.lines), options.lines)
    entries = _entries(data)
    tasks = all_tasks(data, options.lines, entries)
    costs = _measure(tasks, options.rounds, data)
    text = _report(tasks, costs, options, data)
    print(text)
    if options.write:
        _write(text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--lines", type=int, default=generate.LINES, help="lines of the log (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each command (default %(default)s)")
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data", help="where logs are kept")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    return parser.parse_args()


def _install_packages() -> None:
    """Install the tools we are measured beside; without them their rows say so."""
    there = shutil.which("rg") and shutil.which("fail2ban-regex") and REMOTE.exists()
    if there or not shutil.which("apt-get"):
        return
    print(f"installing {', '.join(PACKAGES)} ...", file=sys.stderr)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        print(f"could not install them: {done.stderr.decode(errors='replace')[-300:]}", file=sys.stderr)


def _corpus(folder: Path, lines: int) -> Path:
    """Write the logs, unless the same program has written them before."""
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in (generate, templates))
    made_by, done = hashlib.sha256(sources).hexdigest(), folder / "done"
    if not done.exists() or done.read_text() != made_by:
        print(f"writing {lines:,} lines to {folder} ...", file=sys.stderr)
        generate.write_logs(folder, lines)
        generate.write_export(folder / "journal.export", min(generate.JOURNAL_ENTRIES, max(1000, lines // 10)))
        _journal_files(folder)
        done.write_text(made_by)
    with (folder / "mixed.log").open("rb") as mixed, (folder / "slice.log").open("wb") as part:
        part.writelines(line for line, _ in zip(mixed, range(SLICE_LINES), strict=False))
    (folder / "empty.log").write_text("nothing\n")
    (folder / "patterns").write_text(patterns.as_file())
    (folder / "fail2ban.conf").write_text(patterns.as_fail2ban_filter())
    return folder


def _journal_files(folder: Path) -> None:
    journal = folder / "journal"
    shutil.rmtree(journal, ignore_errors=True)
    journal.mkdir()
    if REMOTE.exists():
        command = [str(REMOTE), "-o", str(journal / "bench.journal"), str(folder / "journal.export")]
        subprocess.run(command, check=True, capture_output=True)


def _entries(folder: Path) -> int:
    with (folder / "journal.export").open("rb") as export:
        return sum(line.startswith(b"__CURSOR=") for line in export)


def _measure(tasks: list[Task], rounds: int, data: Path) -> dict[Task, Costs | str]:
    """Run everything round by round, so that a noisy minute hits all alike."""
    seen: dict[Task, list[Cost]] = {task: [] for task in tasks}
    failed: dict[Task, str] = {task: f"{task.missing} is not installed" for task in tasks if task.missing}
    for number in range(rounds):
        for task in tasks[number % len(tasks) :] + tasks[: number % len(tasks)]:
            if task in failed:
                continue
            print(f"round {number + 1}/{rounds}: {task.name}", file=sys.stderr)
            try:
                seen[task].append(_once(task, data))
            except (RuntimeError, ValueError, KeyError) as error:
                failed[task] = f"not available: {str(error).splitlines()[-1][:160]}"
                print(failed[task], file=sys.stderr)
    return {task: failed.get(task) or summary(seen[task]) for task in tasks}


def _once(task: Task, data: Path) -> Cost:
    cost = run(task.command, data)
    start = run(task.start_up, data).cpu_s if task.start_up else 0.0
    return Cost(cost.wall_s, cost.cpu_s - start, cost.peak_bytes, task.check(cost.output))


def _report(tasks: list[Task], costs: dict[Task, Costs | str], options: argparse.Namespace, data: Path) -> str:
    digest = hashlib.sha256((data / "mixed.log").read_bytes()).hexdigest()[:16]
    size_mb = (data / "mixed.log").stat().st_size / 1e6
    head = (
        f"{options.lines:,} mixed lines, {size_mb:.0f} MB, sha256 {digest}; seed {generate.SEED}; medians of "
        f"{options.rounds} interleaved runs; rates per second of CPU; Python {platform.python_version()}, "
        f"{platform.machine()}, Linux {platform.release().split('-')[0]}."
    )
    groups = dict.fromkeys(task.group for task in tasks)
    return "\n\n".join([head, *(_table(group, tasks, costs) for group in groups)])


def _table(group: str, tasks: list[Task], costs: dict[Task, Costs | str]) -> str:
    rows = [task for task in tasks if task.group == group]
    first = next((cost for task in rows if task.ours and isinstance(cost := costs[task], Costs)), None)
    base = _rate(rows[0], first) if first else 0.0
    lines = [f"**{group}**", "", "| | rate | of ours | CPU s | wall s | spread | peak MB | result |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|---|")
    return "\n".join([*lines, *(_row(task, costs[task], base) for task in rows)])


def _row(task: Task, cost: Costs | str, base: float) -> str:
    if isinstance(cost, str):
        return f"| {task.name} | | | | | | | {cost.replace('|', '/')} |"
    rate = _rate(task, cost)
    shown = f"{rate:,.0f}" if task.count else ""
    share = f"{rate / base:.3g}x" if base and task.count else ""
    result = "; ".join(part for part in (cost.output, task.note) if part)
    return (
        f"| {task.name} | {shown} | {share} | {cost.cpu_s:.3f} | {cost.wall_s:.3f} | {cost.spread:.0%} | "
        f"{cost.peak_bytes / 1e6:.0f} | {result} |"
    )


def _rate(task: Task, cost: Costs) -> float:
    return task.count / max(cost.cpu_s, 1e-9)


def _write(text: str) -> None:
    """Replace what stands between the markers. Raises SystemExit when the page has none."""
    page = PAGE.read_text() if PAGE.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    if BEGIN not in page or END not in page:
        raise SystemExit(f"error: {PAGE} has no {BEGIN} ... {END}")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page))


if __name__ == "__main__":
    raise SystemExit(main())
