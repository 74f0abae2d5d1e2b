"""No function and no file is too long to read at once."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "operators", "pipeline", "jobs", "filterscope", "tests")
LONGEST_FUNCTION, LONGEST_FILE = 60, 450


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder; links are not followed, for `filterscope` links to the other folders."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".py"))


def too_long(text: str) -> list[str]:
    """Return what is over a limit in the text of a file: the file itself, functions by name and first line."""
    lines = len(text.splitlines())
    found = [f"{lines} lines"] if lines > LONGEST_FILE else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append(f"{node.name} in line {node.lineno}: {length} lines")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_functions_and_files_are_short(folder):
    files = list(python_files(ROOT / folder))
    assert files
    found = {str(path.relative_to(ROOT)): too_long(path.read_text(encoding="utf-8")) for path in files}
    assert {path: long for path, long in found.items() if long} == {}


def test_what_is_too_long_is_found():
    body = "        pass\n"
    fits = "class Kept:\n    def fits(self):\n" + 59 * body
    assert too_long(fits) == []
    assert too_long(fits + body) == ["fits in line 2: 61 lines"]
    assert too_long("async def waits():\n" + 60 * "    pass\n") == ["waits in line 1: 61 lines"]
    assert too_long(450 * "pass\n") == []
    assert too_long(451 * "pass\n") == ["451 lines"]
