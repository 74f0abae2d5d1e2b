"""Results on the pages of documentation, made by the commands that stand beside them: ``make results`` rewrites them.

A fenced block under ``<!-- output of: COMMAND -->`` holds what the command prints, and the command above it where it is one of
filterscope's; ``<!-- output of, first 12 lines: COMMAND -->`` cuts it. Commands run in one folder, after those of `PREPARED`.
The outputs in the notebook are made from the same run.

A block under ``<!-- measured on DATA: COMMAND -->`` was measured by hand on data or weights that cannot be redistributed.
Nothing rewrites it: whoever changes what it shows measures it again.

Times differ from run to run and the last bits of a forward pass from processor to processor, so a block stays as it is where
its words are the same, its times aside, and its numbers are within 5 % (whole numbers: or 1).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NOTEBOOK = ROOT / "docs" / "first_audit.ipynb"
#: Runs that the commands on the pages read.
PREPARED = (
    "make audit",
    "filterscope sample data/other --images 300 --seed 1",
    "filterscope audit --model package:efficientnet-lite0 --data data/other --layers _blocks.10 "
    "--methods dissection,significance --out runs/other",
)
MARKED = re.compile(
    r"(?P<marker><!-- output of(?:, first (?P<lines>\d+) lines)?: (?P<command>.+?) -->\n)```\n(?P<block>.*?)^```$",
    re.M | re.S,
)
_TIMES = re.compile(r"\bin [\d.,]+ (?:s|min|h)\b(?:, [\d.,]+ \w+/s)?")
_GAPS = re.compile(r"[ ─]{2,}|-{2,}|─")
_NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w-])")
_ENTRY = "from filterscope.jobs.cli.main import main; main()"


class Runner:
    """Runs commands of the pages in a folder, each once, and keeps what they print."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, {}
        for command in PREPARED:
            self(command)

    def __call__(self, command: str) -> str:
        """Return what a command prints, without empty lines, and paths as they are from the folder."""
        if command not in self.printed:
            steps = recipe(command.removeprefix("make ")) if command.startswith("make ") else [command]
            text = "".join(self._run(step) for step in steps).replace(f"{self.folder}/", "")
            self.printed[command] = "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())
        return self.printed[command]

    def _run(self, command: str) -> str:
        entry = f"filterscope() {{ {sys.executable} -c '{_ENTRY}' \"$@\"; }}\n"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        done = subprocess.run(
            ["bash", "-c", entry + command], cwd=self.folder, env=environment, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command}\nended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def recipe(target: str) -> list[str]:
    """Return the commands of a target of the Makefile that call filterscope."""
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert rule, target
    lines = rule[1].replace("\\\n", " ").splitlines()
    return [" ".join(line.replace("$(BIN)/", "").split()) for line in lines]


def rewritten(page: str, run: Callable[[str], str]) -> str:
    """Return a page with the outputs that commands have now; a block that says the same stays to the letter."""

    def block(found: re.Match[str]) -> str:
        command, lines = found["command"], run(found["command"]).splitlines(keepends=True)
        if found["lines"] and len(lines) > int(found["lines"]):
            lines = [*lines[: int(found["lines"])], "...\n"]
        made = (f"{command}\n" if command.startswith("filterscope ") else "") + "".join(lines)
        kept = found["block"]
        return f"{found['marker']}```\n{kept if same(kept, made) else made}```"

    return MARKED.sub(block, page)


def same(one: str, other: str) -> bool:
    """Return whether two outputs say the same: words alike, times aside, and numbers within 5 %, whole ones at least 1."""
    texts = [_GAPS.sub(" ", _TIMES.sub("in TIME", text)) for text in (one, other)]
    words = [_NUMBER.sub("#", text).split() for text in texts]
    numbers = [_NUMBER.findall(text) for text in texts]
    return words[0] == words[1] and all(map(_near, *numbers))


def _near(one: str, other: str) -> bool:
    first, second = (float(text.replace(",", "")) for text in (one, other))
    least = 1.0 if "." not in one + other and "e" not in one + other else 0.0
    return abs(first - second) <= max(least, 0.05 * max(abs(first), abs(second)))


def executed(notebook: dict[str, Any], run: Path) -> dict[str, Any]:
    """Return a notebook with the outputs that its cells have now on a run; an output that says the same stays."""
    os.environ["FILTERSCOPE_RUN"] = str(run)
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        *before, last = "".join(cell["source"]).rsplit("\n", 1)
        exec("\n".join(before), names)  # a page of our own
        value = eval(last, names)
        for output in cell["outputs"]:
            if not same("".join(output["data"]["text/plain"]), repr(value)):
                output["data"]["text/plain"] = repr(value).splitlines(keepends=True)
                if "text/html" in output["data"]:
                    output["data"]["text/html"] = value._repr_html_().splitlines(keepends=True)
    return notebook


def stale(folder: Path) -> dict[Path, str]:
    """Return the pages whose results are no longer so, as they should be; commands run in the folder."""
    run = Runner(folder)
    made = {page: rewritten(page.read_text(encoding="utf-8"), run) for page in PAGES}
    book = executed(json.loads(NOTEBOOK.read_text(encoding="utf-8")), folder / "runs" / "sample")
    made[NOTEBOOK] = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    return {page: text for page, text in made.items() if text != page.read_text(encoding="utf-8")}


def main() -> None:
    """Rewrite every page whose results are no longer so, and name it."""
    with tempfile.TemporaryDirectory() as folder:
        pages = stale(Path(folder).resolve())
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(ROOT)} rewritten\n")
    sys.stdout.write(f"{len(PAGES) + 1 - len(pages)} pages as they were\n")


if __name__ == "__main__":
    main()
