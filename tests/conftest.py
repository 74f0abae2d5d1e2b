"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real images, annotations and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("FILTERSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set FILTERSCOPE_TEST_DATA")
    return folder
