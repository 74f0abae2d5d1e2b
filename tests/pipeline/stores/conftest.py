"""One place after the other: all that holds of a folder of this machine holds of one in a bucket."""

import pytest

from filterscope.pipeline.stores.places import Place


@pytest.fixture(params=["disk", "bucket"])
def place(request, tmp_path) -> Place:
    """A folder that is not there yet."""
    return (tmp_path if request.param == "disk" else request.getfixturevalue("bucket")) / "a" / "folder"
