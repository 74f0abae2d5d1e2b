"""Results on the pages of documentation, made by the commands that stand beside them: ``make results`` rewrites them.

A fenced block under ``<!-- output of: COMMAND -->`` holds what the command prints, and the command above it where it is one of
filterscope's; ``<!-- output of, first 12 lines: COMMAND -->`` cuts it. Commands run in one folder, after those of `PREPARED`.
The outputs in the notebooks are made from the same run.

A block under ``<!-- output of, on DATA: COMMAND -->`` needs data or weights that cannot be redistributed, from the folder that
``FILTERSCOPE_TEST_DATA`` names, and is made after the commands of `PREPARED_ON`. Without the folder it stays as it is.

A block under ``<!-- measured on DATA: COMMAND -->`` was measured by hand on data or weights that cannot be redistributed.
Nothing rewrites it: whoever changes what it shows measures it again.

Times differ from run to run and the last bits of a forward pass from processor to processor, so a block stays as it is where
its words are the same, its times aside, and its numbers are within 5 % (whole numbers: or 1).
"""

import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
NOTEBOOKS = tuple(sorted((ROOT / "docs").glob("*.ipynb")))
#: Runs that the commands on the pages read.
PREPARED = (
    "make audit",
    "filterscope sample data/other --images 300 --seed 1",
    "filterscope audit --model package:efficientnet-lite0 --data data/other --layers _blocks.10 "
    "--methods dissection,significance --out runs/other",
)
_WEIGHTS = "torchvision:mobilenet_v2@given/weights/mobilenet_v2-b0353104.pth"
#: Runs on data that cannot be redistributed, which lie under `given`.
PREPARED_ON = {
    "coco128": (
        "filterscope import coco given/coco128 data/coco --in-place",
        f"filterscope audit --model {_WEIGHTS} --data data/coco --layers features.18,features.13,features.6 "
        "--methods dissection,significance --out runs/coco",
    ),
    "animals": (
        "filterscope import animals given/animals data/animals",
        f"filterscope audit --model {_WEIGHTS} --data data/animals --views objects --methods location "
        "--layers features.18,features.3 --out runs/where",
    ),
}
MARKED = re.compile(
    r"(?P<marker><!-- output of(?:, first (?P<lines>\d+) lines)?(?:, on (?P<data>\w+))?: (?P<command>.+?) -->\n)"
    r"```\n(?P<block>.*?)^```$",
    re.M | re.S,
)
_TIMES = re.compile(r"\bin [\d.,]+ (?:s|min|h)\b(?:, [\d.,]+ \w+/s)?")
_GAPS = re.compile(r"[ ─]{2,}|-{2,}|─")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?![\w-])")
_PICTURE = "<a picture>\n"
_ENTRY = "from filterscope.jobs.cli.main import main; main()"


class Runner:
    """Runs commands of the pages in a folder, each once, and keeps what they print."""

    def __init__(self, folder: Path, prepared: Sequence[str] = PREPARED) -> None:
        self.folder, self.printed = folder, {}
        for command in prepared:
            self(command)

    def prepare(self, data: str) -> bool:
        """Make the run on data that cannot be redistributed, if they are there."""
        given = os.environ.get("FILTERSCOPE_TEST_DATA")
        if not given:
            return False
        if not (self.folder / "given").exists():
            (self.folder / "given").symlink_to(given)
        for command in PREPARED_ON[data]:
            self(command)
        return True

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


def rewritten(page: str, run: Callable[[str], str], prepare: Callable[[str], bool] = bool) -> str:
    """Return a page with the outputs that commands have now; a block that says the same stays to the letter.

    `prepare` makes the run on the data that a marker names, and returns whether they are there.
    """

    def block(found: re.Match[str]) -> str:
        if found["data"] and not prepare(found["data"]):
            return found[0]
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
    """Return a notebook with the outputs that its cells have now on a run; an output that says the same stays.

    The last line of a cell is an expression; what it gives is the cell's output, unless it is None.
    """
    os.environ["FILTERSCOPE_RUN"] = str(run)
    names: dict[str, Any] = {}
    for count, cell in enumerate((one for one in notebook["cells"] if one["cell_type"] == "code"), 1):
        *before, last = "".join(cell["source"]).rsplit("\n", 1)
        exec("\n".join(before), names)  # a page of our own
        data = shown(eval(last, names))
        kept = cell["outputs"][0]["data"] if cell["outputs"] else {}
        if not (data and kept and looks_alike(kept, data)):
            result = {"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data}
            cell["outputs"] = [result] if data else []
        cell["execution_count"] = count
    return notebook


def shown(value: object) -> dict[str, Any]:
    """Return the data of an output: text, with HTML for a table and a JPEG for a picture."""
    if value is None:
        return {}
    if not isinstance(value, Image.Image):
        table = {"text/html": value._repr_html_().splitlines(keepends=True)} if isinstance(value, pl.DataFrame) else {}
        return {**table, "text/plain": repr(value).splitlines(keepends=True)}
    sink = io.BytesIO()
    value.save(sink, "JPEG", quality=80, optimize=True)
    return {"image/jpeg": base64.b64encode(sink.getvalue()).decode(), "text/plain": [_PICTURE]}


def looks_alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two outputs say the same: texts as in `same`, and pictures that hardly differ."""
    if one.keys() != other.keys() or not same(*("".join(data["text/plain"]) for data in (one, other))):
        return False
    if "image/jpeg" not in one:
        return True
    first, second = (
        Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))).convert("RGB") for data in (one, other)
    )
    if first.size != second.size:
        return False
    return bool(np.abs(np.subtract(first, second, dtype=np.int16)).mean() < 4)


def stale(folder: Path) -> dict[Path, str]:
    """Return the pages whose results are no longer so, as they should be; commands run in the folder."""
    run = Runner(folder)
    made = {page: rewritten(page.read_text(encoding="utf-8"), run, run.prepare) for page in PAGES}
    for page in NOTEBOOKS:
        book = executed(json.loads(page.read_text(encoding="utf-8")), folder / "runs" / "sample")
        made[page] = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    return {page: text for page, text in made.items() if text != page.read_text(encoding="utf-8")}


def main() -> None:
    """Rewrite every page whose results are no longer so, and name it."""
    with tempfile.TemporaryDirectory() as folder:
        pages = stale(Path(folder).resolve())
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(ROOT)} rewritten\n")
    sys.stdout.write(f"{len(PAGES) + len(NOTEBOOKS) - len(pages)} pages as they were\n")


if __name__ == "__main__":
    main()
