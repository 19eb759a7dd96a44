"""Processors and memory that this process may use: less than there are where a container or its user says so."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path

__all__ = [
    "CGROUP",
    "KEPT",
    "MAPPED",
    "MMAP_THRESHOLD",
    "TRIM_THRESHOLD",
    "all_memory",
    "fast_bf16",
    "flags",
    "free_memory",
    "keep_freed_memory",
    "let_threads_rest",
    "multiplies_bf16",
    "multiplies_fp16",
    "processor",
    "processors",
    "read",
    "short_of_memory",
]

CGROUP = Path("/sys/fs/cgroup")
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # as glibc's mallopt numbers them
MAPPED, KEPT = 32 << 20, 256 << 20  # bytes: the largest piece that glibc lets the heap have; what stays when freed

_NO_MEMORY = re.compile(
    r"out of memory|memory allocation error|(not enough|insufficient|can(no|')t allocate) memory|bad_alloc",
    re.IGNORECASE,
)


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


def all_memory() -> int | None:
    """Bytes that this process could have if it were alone, within its control group's limit; None if unknown."""
    whole = [1024 * int(line.split()[1]) for line in read(Path("/proc/meminfo")).splitlines()
             if line.startswith("MemTotal:")]  # fmt: skip
    limit = read(CGROUP / "memory.max")
    if limit.isdecimal():
        whole.append(int(limit))
    return min(whole, default=None)


def processor() -> str:
    """Name and instructions of the processor, in short, to know it again; as far as the system tells."""
    model = re.search(r"^(?:model name|CPU part)\s*:(.*)$", read(Path("/proc/cpuinfo")), re.MULTILINE)
    name = model[1].strip() if model else platform.processor()
    return f"{name} {platform.machine()} {hashlib.sha256(' '.join(sorted(flags())).encode()).hexdigest()[:8]}"


def multiplies_bf16() -> bool:
    """Tell whether the processor says that it has instructions for bf16 products (Linux only)."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags())


def let_threads_rest() -> None:
    """Keep PyTorch's threads from spinning while they wait, on CPUs without bf16: there other threads convolve
    (`restorekit.model.winograd`), a quarter faster so. Before torch is imported; the user's word counts.
    """
    if not multiplies_bf16():
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def multiplies_fp16() -> bool:
    """Tell whether the processor says that it has instructions for fp16 products (Linux only)."""
    return not {"avx512_fp16", "amx_fp16", "asimdhp"}.isdisjoint(flags())


def fast_bf16() -> bool:
    """Tell whether bf16 is faster than fp32 on every processor of this kind that was ever measured."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags())


def flags() -> frozenset[str]:
    """Instruction sets that the processor names (Linux only)."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", read(Path("/proc/cpuinfo")), re.MULTILINE)
    return frozenset(found[1].split() if found else ())


def short_of_memory(error: BaseException | None) -> bool:
    """Tell whether memory ran out, by an error or what caused it. Libraries say it in ways of their own: PyTorch's
    is a RuntimeError, Pillow's decoders' an OSError."""
    while error is not None:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


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
