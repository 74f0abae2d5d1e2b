"""Every method has a page, and all pages are built alike: a reader finds formula, source, picture, control, cost and limits."""

import re
from pathlib import Path

import pytest

from filterscope.pipeline.methods import registry
from filterscope.schemas.results import TABLES
from tests.docs.pictures.drawn import FOLDER, drawn, names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HEADINGS = ["Run it", "Formula", "Source", "Tables", "Control", "Cost", "Limits"]
#: May follow: results on data, and what was tried.
LAST = "Measured"
#: Largest file of a picture.
MOST_BYTES = 60_000

METHODS = {method.name: method for method in registry.METHODS}
#: Pages of the same build that are about no method.
PAGES = [*METHODS, "groups"]
PICTURE = re.compile(r"^!\[([^\]]+)\]\((pictures/[\w-]+\.(?:svg|webp))\)$", re.MULTILINE)
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
#: Pictures of networks and graphs that take seconds to draw.
COSTLY = ("graph", "and-or", "pattern-positions", "patterns", "dissection", "location", "inversion")


def read(name):
    path = DOCS / f"{name}.md"
    assert path.exists(), (
        f"method {name} has no page: write {path.relative_to(ROOT)} (docs/write_a_method.md, section 6)"
    )
    return path.read_text(encoding="utf-8")


def sections(page):
    """Return the text under each heading of the second level; what stands before the first is named ''."""
    outside = FENCED.sub(lambda block: re.sub(r"^#", "\\#", block[0], flags=re.MULTILINE), page)
    parts = re.split(r"^## (.+)$", outside, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def plain(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_headings_in_order(name):
    headings = [heading for heading in sections(read(name)) if heading]
    assert headings in (HEADINGS, [*HEADINGS, LAST])
    assert [heading for heading, text in sections(read(name)).items() if not text.strip()] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_with_its_name_an_answer_and_a_picture(name):
    title, answer, rest = sections(read(name))[""].split("\n\n", 2)
    assert title.lower().startswith(f"# {name}: ")
    assert plain(answer).endswith(".")
    about, file = PICTURE.match(rest).groups()
    assert len(about) > 20
    assert (DOCS / file).is_file(), f"{file} is not there: `make pictures` draws it"
    assert (DOCS / file).stat().st_size < MOST_BYTES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_how_to_run_it_and_what_that_costs(name):
    text = sections(read(name))
    assert re.search(r"^ *filterscope \w+", text["Run it"], re.MULTILINE)
    assert re.search(r"\d", text["Cost"]), "a cost is a number"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_formula_or_says_why_there_is_none(name):
    formula = sections(read(name))["Formula"]
    assert re.search(r"^\$\$\n.+?\n\$\$$", formula, re.MULTILINE | re.DOTALL) or formula.strip().startswith("None: ")
    assert FENCED.sub("", formula).count("$$") % 2 == 0


@pytest.mark.parametrize("name", METHODS)
def test_a_page_states_the_source_that_help_states(name):
    source = plain(sections(read(name))["Source"])
    assert [part for part in METHODS[name].source.split("; ") if part not in source] == []


@pytest.mark.parametrize("name", METHODS)
def test_a_page_names_the_tables_of_its_findings(name):
    text = sections(read(name))["Tables"]
    named = set(re.findall(r"`(\w+)`", text)) & TABLES.keys()
    own = {table for finding in METHODS[name].findings() for table in finding.tables}
    assert named & own or not own
    assert "](tables.md)" in text


def slugs(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_links_to_is_there(name):
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", FENCED.sub("", read(name))):
        path = DOCS / target if target else DOCS / f"{name}.md"
        assert path.exists(), target
        assert not anchor or anchor in slugs(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_every_page_is_linked_from_the_front():
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in METHODS if f"/{name}.md)" not in front] == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in COSTLY else name for name in names()]
)
def test_a_picture_is_drawn_as_it_stands(name):
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert alike(kept, drawn(name)), "run `make pictures`"


def test_pictures_alike_differ_by_no_more_than_processors_do():
    one = '<rect x="10.1" fill="#aabbcc"/><text>IoU 0.62</text>'
    assert alike(one, one.replace("10.1", "10.2"))
    assert not alike(one, one.replace("10.1", "14.1"))
    assert not alike(one, one.replace("IoU", "q"))
    assert not alike(one, one + one)


def alike(one, other):
    """Return whether two pictures show the same: the same words and shapes, all within a fraction of a pixel."""
    texts = [re.sub(r'data:[^"]+|#[0-9a-f]{6}', "", text) for text in (one, other)]
    number = re.compile(r"-?\d+(?:\.\d+)?")
    if number.sub("", texts[0]) != number.sub("", texts[1]):
        return False
    first, second = ([float(value) for value in number.findall(text)] for text in texts)
    return all(abs(a - b) <= 0.3 for a, b in zip(first, second, strict=True))
