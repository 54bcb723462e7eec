"""Side-by-side measurement: two or more things in turn, in one run, compared by the median of per-round ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cost", "Figure", "cpu_ratio", "measure_process", "memory_ratio", "report", "rounds"]


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU seconds, user and system, children included, and its peak memory in MiB."""

    cpu: float
    mebibytes: float


@dataclass(frozen=True)
class Figure:
    """A goal and what was measured: ``ratio`` must not exceed ``goal``."""

    name: str
    ratio: float
    goal: float

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal

    def __str__(self) -> str:
        return f"{'met' if self.met else 'MISSED':>6}  {self.name}: {self.ratio:.2f} (goal {self.goal:.2f})"


def measure_process(
    command: Sequence[str], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None, status: int = 0
) -> Cost:
    """Run a command to its end and return its cost; RuntimeError when it ends with another status."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=None if environ is None else dict(environ),
        cwd=cwd,
    )
    _, ended, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode != status:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}, not {status}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def rounds(count: int, **subjects: Callable[[], Cost]) -> dict[str, list[Cost]]:
    """Run every subject once a round, in turn, after one round that does not count."""
    for subject in subjects.values():
        subject()
    costs: dict[str, list[Cost]] = {name: [] for name in subjects}
    for _ in range(count):
        for name, subject in subjects.items():
            costs[name].append(subject())
    return costs


def report(title: str, costs: Mapping[str, Sequence[Cost]], figures: Sequence[Figure]) -> bool:
    """Print the costs and the figures; return whether every goal was met."""
    load = os.getloadavg()[0]
    print(f"\n{title}  (load {load:.1f})")
    for name, sample in costs.items():
        cpu = sorted(cost.cpu * 1000 for cost in sample)
        memory = statistics.median(cost.mebibytes for cost in sample)
        print(f"  {name:<28} cpu ms {cpu[0]:7.1f} /{statistics.median(cpu):7.1f} /{cpu[-1]:7.1f}   {memory:6.1f} MiB")
    for figure in figures:
        print(f"  {figure}")
    return all(figure.met for figure in figures)


def cpu_ratio(costs: Mapping[str, Sequence[Cost]], one: str, other: str) -> float:
    """The median of the per-round ratios of CPU time."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(costs[one], costs[other], strict=True))


def memory_ratio(costs: Mapping[str, Sequence[Cost]], one: str, other: str) -> float:
    """The median of the per-round ratios of peak memory."""
    return statistics.median(a.mebibytes / b.mebibytes for a, b in zip(costs[one], costs[other], strict=True))
