"""Keep what C++ libraries print out of the terminal, without losing it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filterscope.pipeline.stores.places import open_native


@contextmanager
def native_messages_to(log: Path) -> Iterator[None]:
    """Send what is written to file descriptor 2 to a log file; `sys.stderr` still reaches the terminal."""
    before = sys.stderr
    before.flush()
    terminal = os.dup(2)
    with (
        open_native(log) as file,
        os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="backslashreplace") as ours,
    ):
        os.dup2(file.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(terminal, 2)
