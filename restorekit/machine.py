"""What this machine gives us: processors and memory, less than it has where a container or its user says so."""

from __future__ import annotations

import os
import re
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # as glibc's mallopt numbers them
MAPPED, KEPT = 32 << 20, 256 << 20  # bytes: the largest piece that glibc lets the heap have; what stays when freed


def processors() -> int:
    """Processors that this process may use: its affinity, and the quota of its control group, rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = read(CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        count = min(count, -(-int(quota) // int(period)))
    return max(1, count)


def free_memory() -> int | None:
    """Bytes that can still be had without swapping, within the limit of the control group; None if unknown."""
    free = [1024 * int(line.split()[1]) for line in read(Path("/proc/meminfo")).splitlines()
            if line.startswith("MemAvailable:")]  # fmt: skip
    limit, used = read(CGROUP / "memory.max"), read(CGROUP / "memory.current")
    if limit.isdecimal() and used.isdecimal():
        free.append(max(0, int(limit) - int(used)))
    return min(free, default=None)


def multiplies_bf16() -> bool:
    """Whether the processor says that it has instructions for bf16 products (Linux only)."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", read(Path("/proc/cpuinfo")), re.MULTILINE)
    return flags is not None and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags[1].split())


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, KEPT bytes at most, where the C library is glibc; whether it does.

    A network frees and asks for tens of megabytes at each layer. Given back to the system each time, they are
    cleared page by page when they come again: an eighth of the time of a 512x512 picture."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; Windows
        return False
    return bool(mallopt(MMAP_THRESHOLD, MAPPED) and mallopt(TRIM_THRESHOLD, KEPT))


def read(path: Path) -> str:
    """The text of a small file, or nothing."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
