"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Kernels compile at first use and machines differ in speed: an example may take as long as it takes.
settings.register_profile("filterscope", deadline=None, derandomize=True)
settings.load_profile("filterscope")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real images, annotations and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("FILTERSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set FILTERSCOPE_TEST_DATA")
    return folder
