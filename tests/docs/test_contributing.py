"""What CONTRIBUTING.md says of the tree is so."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_it_is_a_page():
    assert len(PAGE.splitlines()) <= 150


def test_what_it_links_to_is_there():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", PAGE) if not link.startswith("https://")]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_paths_it_names_are_there():
    names = set(re.findall(r"`((?:tests|pipeline|operators|jobs|docs|deploy|\.ci)/[\w./]*)`", PAGE))
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists() and "NAME" not in name] == []


def test_the_commands_it_names_are_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", PAGE, re.MULTILINE))
    assert {"setup", "test", "lint"} <= named <= targets


def test_the_rooms_stand_as_the_linter_holds_them():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["filterscope.pipeline"])
    assert " < ".join(reversed(rooms)) in PAGE
