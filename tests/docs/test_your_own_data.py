"""The page `docs/your_own_data.md` names the columns that the readers ask for, and its examples have them."""

import csv
import json
import re
import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from filterscope.jobs.cli import main as cli
from filterscope.pipeline.datasets import attributes, broden, grouping, landmarks, masks
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.reading import NO_LABEL, read_rows
from tests.fuzz.sources import COCO, IMPORTERS, picture, write_source

PAGE = (Path(__file__).parents[2] / "docs" / "your_own_data.md").read_text()
#: Columns of the test's own sources that are categories of Broden or attributes.
CATEGORIES = {"object", "scene", "smiling", "young"}

Columns = dict[str, tuple[set[str], set[str]]]


class Row(dict[str, str]):
    """A row that remembers which cells are asked for."""

    asked: set[str]

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def asked_by_readers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Columns:
    """The columns of each file that a reader requires, and those it reads besides."""
    required: dict[str, set[str]] = {}
    asked: dict[str, set[str]] = defaultdict(set)
    place = ""

    def spy(path: Path, columns: Any) -> list[tuple[int, dict[str, str]]]:
        key = "any reader: the file of `--group-by`" if path.name == "groups.csv" else f"`{place}`: `{path.name}`"
        required[key] = set(columns)
        rows = [(line, Row(row)) for line, row in read_rows(path, columns)]
        for _, row in rows:
            row.asked = asked[key]
        return [*rows]

    for module in (attributes, broden, grouping, landmarks, masks):
        monkeypatch.setattr(module, "read_rows", spy)
    (folder / "groups.csv").write_text("image,group\na.png,one\n")
    for place in ("masks", "landmarks", "attributes", "animals", "broden"):
        write_source(folder / place, place)
        IMPORTERS[place](folder / place, folder / f"{place}-data", group_by=folder / "groups.csv")
    asked["`broden`: `index.csv`"] -= CATEGORIES
    return {key: (columns, asked[key] - columns) for key, columns in required.items()}


def sections() -> dict[str, str]:
    return dict(re.findall(r"^### (.*)\n((?:(?!^#).*\n)*)", PAGE, re.MULTILINE))


def stated(section: str) -> tuple[set[str], set[str]]:
    columns: dict[str, set[str]] = {"yes": set(), "no": set()}
    for cells in re.findall(r"^\| (`.*?`) \| .*? \| (yes|no) \| .* \|$", section, re.MULTILINE):
        columns[cells[1]] |= set(re.findall(r"`(\w+)`", cells[0]))
    return columns["yes"], columns["no"]


def test_the_page_names_the_columns_that_the_readers_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {heading: stated(text) for heading, text in sections().items()} == asked_by_readers(tmp_path, monkeypatch)


def test_the_example_of_every_file_has_the_columns_it_needs() -> None:
    for heading, text in sections().items():
        (example,) = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        header, row = list(csv.reader(example.splitlines()))[:2]
        required, optional = stated(text)
        assert required <= set(header) <= required | optional | CATEGORIES, heading
        assert len(row) == len(header), heading


def test_the_page_lists_the_names_of_no_label() -> None:
    (listed,) = re.findall(r"another name than (.*?) \(in any case", PAGE, re.DOTALL)
    assert set(re.findall(r"`(.*?)`", listed)) == NO_LABEL - {""}


def test_the_commands_of_the_page_import_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [shlex.split(line) for line in re.findall(r"^filterscope (import .*)$", PAGE, re.MULTILINE)]
    monkeypatch.chdir(tmp_path)
    write_source(Path("mine"), "masks")
    write_source(Path("broden1_224"), "broden")
    for folder in ("images", "masks"):
        Path("mine", folder, "seq1").mkdir()
        Path("mine", folder, "a.png").rename(Path("mine", folder, "seq1", "a.png"))
    images = [row | {"file_name": f"video{row['id']}/{row['file_name']}"} for row in COCO["images"]]
    for row in images:
        picture(Path("images", row["file_name"]))
    Path("instances.json").write_text(json.dumps(COCO | {"images": images}))
    Path("patients.csv").write_text("image,group\na.png,patient 3\n")
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            cli.main(command)
        assert stop.value.code == 0
    groups = [Dataset(Path(command[3])).images["group"].to_pylist() for command in commands]
    assert groups == [[None, "seq1"], ["video1", "video2"], ["patient 3", None]]
