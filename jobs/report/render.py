"""How pages are made: templates with every value escaped, numbers as people read them, links that survive any name."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filterscope.jobs.report.declared import sources
from filterscope.jobs.report.glossary import says
from filterscope.pipeline.methods.significance.trust import MEANINGS, figure
from filterscope.pipeline.stores.places import write_atomically
from filterscope.schemas.dataset import CATEGORIES

HERE = Path(__file__).parent
NOTHING = "–"


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with fixed digits; a dash stands for null."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """Write a count that need not be whole, such as a mean of counts."""
    return NOTHING if value is None else figure(value)


def whole(value: float | None) -> str:
    """Write a whole number with separated thousands; a dash stands for null."""
    return NOTHING if value is None else f"{value:,.0f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Write a number of any size with so many significant digits; a dash stands for null."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".removesuffix(".")


def coded(text: str) -> str:
    """Return a text escaped, with what stands in it between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def kind(category: str | None) -> str:
    """Return the class of a category's colour."""
    return f"k-{category}" if category in CATEGORIES else "k-other"


def url(*parts: object) -> str:
    """Return the relative address of a file of the site: every part quoted."""
    return "/".join(quote(str(part), safe="") for part in parts)


def slug(name: str) -> str:
    """Return a file name that a concept keeps whatever its run: its letters and digits, and a digest where others are lost.

    No two names share one: a digest has 128 bits, and a name that ends as if by a digest gets one of its own.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    if plain == name and not re.search(r"(?:^|-)[0-9a-f]{32}$", name):
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:32]}".strip("-")


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "whole": whole,
        "figures": significant,
        "count": count,
        "coded": coded,
        "kind": kind,
        "slug": slug,
    }
    environment.globals |= {"url": url, "says": says, "meanings": MEANINGS}
    return environment


def write_page(site: Path, place: tuple[str, ...], template: str, **values: Any) -> None:
    """Write one page; `root` in its template leads back to the folder of the site."""
    text = _environment().get_template(template).render(root="../" * (len(place) - 1), **values)
    write_atomically(site.joinpath(*place), text.encode())


def write_script(site: Path, place: tuple[str, ...], function: str, *arguments: Any) -> None:
    """Write data as a script that calls a function with them; a page that is read from disk can load no other data.

    No name in the data can end the script, wherever it is put: `<` and what is not ASCII are escaped.
    """
    said = ",".join(json.dumps(value, separators=(",", ":"), allow_nan=False) for value in arguments)
    escaped = said.replace("<", "\\u003c")
    write_atomically(site.joinpath(*place), f"{function}({escaped});\n".encode())


@lru_cache(maxsize=1)
def digest() -> str:
    """Return 16 hexadecimal digits that change with the code of the report and its findings, its templates and its style."""
    found = hashlib.sha256()
    for file in [*sorted(HERE.rglob("*")), *sources()]:
        if file.suffix in (".py", ".html", ".css", ".js", ".svg"):
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()[:16]


__all__ = [
    "NOTHING",
    "coded",
    "digest",
    "kind",
    "number",
    "significant",
    "slug",
    "url",
    "whole",
    "write_page",
    "write_script",
]
