"""What a figure was measured on: printed by every benchmark beside its figures."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Processor, cores, its vector instructions, Python and the libraries that do the work."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "")
    vector = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if f" {name}" in flags]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "faiss-cpu", "numpy"))
    return (
        f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} cores, {' '.join(vector)}; "
        f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {libraries}"
    )


def peak_rss() -> float:
    """The most memory this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says begins with what the parent held when it started this process
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
