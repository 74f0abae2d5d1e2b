"""Keep what libraries print from their C++ side out of a person's terminal, without losing it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filterscope.pipeline.stores.places import is_object


@contextmanager
def native_messages_to(log: Path) -> Iterator[None]:
    """Send what is written to file descriptor 2 to a log file; `sys.stderr` still reaches the terminal."""
    if is_object(log):
        with tempfile.TemporaryDirectory() as folder, native_messages_to(Path(folder) / log.name):
            try:
                yield
            finally:
                log.write_bytes((Path(folder) / log.name).read_bytes())
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    before = sys.stderr
    before.flush()
    terminal = os.dup(2)
    with log.open("ab") as file, os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="replace") as ours:
        os.dup2(file.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(terminal, 2)
