"""The README is short, and its links hold on GitHub and on a package index alike."""

import ast
import re

from filterscope.jobs.config.audit import load_config
from tests.docs.results import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
HOW = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf-8")
OURS = re.compile(
    r"https://(?:github\.com/filterscope/filterscope/blob|raw\.githubusercontent\.com/filterscope/filterscope)/main/"
)


def test_it_has_under_700_words():
    assert 300 < len(README.split()) < 700


def test_no_link_is_relative():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 20
    assert [link for link in links if not link.startswith("https://")] == []
    assert not re.search(r"^\[.+\]:|<(?:a|img)\b", README, re.MULTILINE)


def test_what_it_links_to_in_the_project_is_there():
    places = [OURS.sub("", link) for link in re.findall(r"\]\(([^)]+)\)", README) if OURS.match(link)]
    assert len(places) > 20
    assert [place for place in places if not (ROOT / place.partition("#")[0]).is_file()] == []
    assert sum(place.endswith(".webp") for place in places) == 2


def test_it_names_both_commands_of_the_project():
    assert {"`make audit`", "`make test`"} <= set(re.findall(r"`make \w+`", README))


def test_its_python_is_python():
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    ast.parse(block)


def test_the_configuration_of_several_models_is_read(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", HOW, re.DOTALL)
    (tmp_path / "zoo.toml").write_text(text)
    (tmp_path / "checkpoints").mkdir()
    for epoch in (1, 2):
        (tmp_path / "checkpoints" / f"epoch_{epoch}.pth").touch()
    config = load_config(tmp_path / "zoo.toml", elsewhere=True)
    assert len(config.models) == 3
    assert config.models[0].layers == ("features.18", "features.1?")
