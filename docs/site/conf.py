"""Settings of Sphinx; `build.py` puts the pages together and calls it."""

import re
import sys
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import links

project = "filterscope"
author = "the filterscope authors"
project_copyright = "the filterscope authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
]

# Markdown as GitHub reads it
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath", "html_image"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are shown as they were kept; a test executes them
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
highlight_language = "text"
smartquotes = False  # --flags stay --flags
suppress_warnings = ["mystnb.unknown_mime_type"]

# docstrings: a single backtick is a name, linked where it is on the site; types are prose: "float32 ndarray of shape (U,)"
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpick_ignore_regex = [("py:.*", ".*")]
add_module_names = False


def _readable(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep what reStructuredText would take for a substitution, such as the size of a set, ``|A|``; draw dashes."""
    lines[:] = [re.sub(r"(?<![`\\])\|(?!`)", r"\\|", line).replace(" -- ", " \u2013 ") for line in lines]


def _skipped(app: object, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out fields of named tuples, which the docstring of the class describes."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> None:
    """Connect what docstrings need."""
    app.connect("autodoc-process-docstring", _readable)
    app.connect("autodoc-skip-member", _skipped)


html_theme = "pydata_sphinx_theme"
html_title = "filterscope"
html_logo = html_favicon = str(ROOT / "jobs" / "report" / "static" / "icon.svg")
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"index": [], "gallery": [], "changelog": [], "start": []}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "filterscope"},
    "github_url": links.REPOSITORY,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
