"""Which machine something was measured on."""

import platform
import re
from pathlib import Path

_INFO = Path("/proc/cpuinfo")


def machine(info: Path = _INFO) -> str:
    """Return the model of this machine's processor, as the system names it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


__all__ = ["machine"]
