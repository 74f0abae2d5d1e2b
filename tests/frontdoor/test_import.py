"""`import filterscope` itself: light, and everything it promises is there."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import filterscope

HEAVY = {"numba", "numpy", "polars", "pyarrow", "pydantic", "ray", "torch", "zarr"}


def test_importing_loads_nothing_heavy():
    code = f"import sys, filterscope; dir(filterscope); print(*sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert found.stdout.strip() == ""


def test_every_name_is_there_and_documented():
    assert set(filterscope.__all__) <= set(dir(filterscope))
    for name in set(filterscope.__all__) - {"__version__"}:
        assert getattr(filterscope, name).__doc__, name


def test_the_version_is_that_of_the_package():
    assert filterscope.__version__ == version("filterscope")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'adit'; it has .*audit"):
        filterscope.adit  # noqa: B018
