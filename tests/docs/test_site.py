"""The documentation site: it builds without a warning, has a page for everything, and loads nothing from elsewhere."""

import json
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

import filterscope
from filterscope.jobs.cli.main import app
from filterscope.jobs.config.flags import flags
from filterscope.pipeline.methods import registry
from filterscope.schemas import dataset, results

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
REPOSITORY = "https://github.com/filterscope/filterscope/blob/main/"
#: What a page loads without being asked, by element.
LOADS = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """Ids of a page, where its links lead, what it loads, and its words."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.words = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if LOADS.get(tag) in given and given.get("rel") not in ("canonical", "next", "prev", "search", "index"):
            self.loads.append(given[LOADS[tag]])

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "docs"
    command = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(out)]
    done = subprocess.run(command, cwd=out.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    assert done.stderr == ""
    return out


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        found = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }


def verbs(group=None, path=()):
    """Return the names of all verbs, as one types them."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if command.hidden:
            continue
        yield from verbs(command, (*path, name)) if hasattr(command, "commands") else ["_".join((*path, name))]


def test_every_method_has_a_page_and_a_card(pages):
    for method in registry.METHODS:
        assert f"{method.name}.html" in pages
        assert method.about in pages["methods.html"].text


def test_every_verb_has_a_page_with_its_options(pages):
    names = list(verbs())
    assert {"audit", "import_coco", "find"} <= set(names)
    assert {name for name in names if f"command_line/{name}.html" not in pages} == set()
    assert "Images to draw. default: 600" in pages["command_line/sample.html"].text
    text = pages["command_line/audit.html"].text
    assert [flag.names[0] for flag in flags() if flag.names[0] not in text] == []


def test_every_option_is_listed_with_its_default(pages):
    text = pages["options.html"].text
    for flag in flags():
        assert flag.names[0] in text, flag.key
    assert "quantile --quantile NUMBER above 0, below 1 0.005 probability of an activation above the threshold" in text
    assert all(word in text for word in ("state_key", "batch_size", "max_rejects"))


def test_every_table_and_column_is_there(pages):
    page = pages["tables.html"]
    tables = {**results.TABLES, **dataset.TABLES}
    assert {name for name in tables if name.replace("_", "-") not in page.ids and name not in page.ids} == set()
    words = set(page.text.split())
    assert {column for schema in tables.values() for column in schema.names} <= words


def test_the_front_door_is_documented_with_its_arguments(pages):
    page = pages["api/filterscope.html"]
    names = set(filterscope.__all__) - {"__version__"}
    assert {name for name in names if f"filterscope.{name}" not in page.ids} == set()
    assert {"filterscope.Run.query", "filterscope.Unit.top_images"} <= page.ids
    assert "Folder of an imported data set." in page.text
    assert "filterscope.pipeline.methods.method.Finding" in pages["api/method.html"].ids


def test_every_operator_that_is_public_is_documented(pages):
    ids = set().union(*(page.ids for name, page in pages.items() if name.startswith("api/operators/")))
    assert {
        "filterscope.operators.activations.quantile.upper_quantile",
        "filterscope.operators.statistics.significance.significance",
        "filterscope.operators.explanatory_graph.heat.heat_map",
    } - ids == set()
    for path in (ROOT / "operators").glob("*/*.py"):
        module = f"filterscope.operators.{path.parent.name}.{path.stem}"
        functions = re.findall(r"^def ([a-z]\w*)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        exported = re.search(r"^__all__ = (\[.*?\])", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        public = [name for name in functions if exported and f'"{name}"' in exported[1]]
        assert [name for name in public if f"{module}.{name}" not in ids] == []


def test_every_page_of_the_folder_is_on_the_site(pages):
    docs = ROOT / "docs"
    written = [
        path for path in docs.rglob("*") if path.suffix in (".md", ".ipynb") and docs / "site" not in path.parents
    ]
    assert len(written) > 20
    missing = {path.name for path in written} - {
        f"{Path(name).stem}{end}" for name in pages for end in (".md", ".ipynb")
    }
    assert missing == set()
    assert {"index.html", "changelog.html", "contributing.html", "security.html", "gallery.html"} <= set(pages)


def test_the_gallery_shows_every_picture_of_the_pages(site, pages):
    shown = {Path(load).name for load in pages["gallery.html"].loads}
    pictures = {
        Path(load).name
        for name, page in pages.items()
        if name not in ("gallery.html", "index.html", "methods.html")
        for load in page.loads
        if "_images/" in load and (ROOT / "docs" / "pictures" / Path(load).name).exists()
    }
    assert pictures
    assert pictures <= shown
    assert all((site / "_images" / name).is_file() for name in pictures)


def test_formulas_are_drawn_without_a_script(site, tmp_path):
    page = "---\norphan: true\n---\n# Sum\n\nWith $x_u$ as above,\n\n$$\n\\frac{1}{B} \\sum_{b=1}^{B} x_b\n$$\n"
    (tmp_path / "index.md").write_text(page, encoding="utf-8")
    (tmp_path / "security.md").write_text("# Security\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-c",
        str(ROOT / "docs" / "site"),
        str(tmp_path),
        str(tmp_path / "out"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    made = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<mfrac>" in made
    assert "<msub>" in made
    assert [load for load in Page(made).loads if "mathjax" in load.lower()] == []


def test_notebooks_show_the_outputs_that_were_kept(pages):
    seen = 0
    for path in (ROOT / "docs").glob("*.ipynb"):
        shown = pages[f"{path.stem}.html"].text
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                kept = output["data"].get("text/html")
                if kept:
                    seen += 1
                    assert Page("".join(kept)).text in shown
    assert seen


def test_nothing_is_loaded_from_elsewhere(site, pages):
    loaded = {(name, load) for name, page in pages.items() for load in page.loads}
    assert len(loaded) > 100
    assert {one for one in loaded if re.match(r"(\w+:)?//", one[1])} == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [found for style in styles for found in re.findall(r"(?:url\(|@import )['\"]?(?:\w+:)?//[^)]*", style)] == []


def test_every_link_leads_somewhere(site, pages):
    broken = set()
    for name, page in pages.items():
        for link in (*page.links, *page.loads):
            if link.startswith(REPOSITORY):
                there = (ROOT / link.removeprefix(REPOSITORY).partition("#")[0]).exists()
            elif urlsplit(link).scheme:
                continue
            else:
                path, _, anchor = unquote(link.partition("?")[0]).partition("#")
                target = (site / name).parent / path if path else site / name
                place = target.resolve()
                there = place.is_file()
                if there and anchor and place.suffix == ".html":
                    there = anchor in pages[place.relative_to(site.resolve()).as_posix()].ids
            if not there:
                broken.add((name, link))
    assert broken == set()


def test_links_out_of_the_folder_lead_to_the_sources(pages):
    assert f"{REPOSITORY}pipeline/run/options.py" in pages["contributing.html"].links
    assert "security.html" in pages["operations.html"].links


def test_the_package_names_the_site():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"].startswith("https://filterscope.github.io/")


def test_search_works_from_disk(site, browser):
    asked = []
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.as_uri()}/search.html?q=lifetime+sparseness")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)")
    assert any("/write_a_method.html" in link for link in found)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


@pytest.mark.parametrize(
    "name", ["index", "methods", "command_line/audit", "tables", "first_audit", "api/operators/dissection"]
)
def test_pages_fit_a_phone(site, browser, name):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{site.as_uri()}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
