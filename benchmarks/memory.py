"""How much memory a benchmark's process took."""

from pathlib import Path


def peak_mib() -> float:
    """Return this process's peak memory in MiB; ru_maxrss would be its parent's, where that was larger."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
