"""One small data set, and runs on it that only look at them."""

from pathlib import Path

import pytest

import filterscope
from tests import planted
from tests.planted.hostile import write_hostile

#: How the planted networks see images, and what an audit asks where there are so few.
SEEN = {"input_size": planted.SIZE, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "interpolation": "nearest"}
ASKED = {"layers": "1", "quantile": 0.05, "min_images": 3, "methods": "dissection"}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted images."""
    folder = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(folder)
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> filterscope.Run:
    """A run of the planted network on hostile names, compared with chance."""
    place = tmp_path_factory.mktemp("hostile")
    write_hostile(place / "data")
    asked = {**ASKED, "layers": ["0", "1"], "methods": ["dissection", "significance"]}
    return filterscope.audit(
        planted.network(), place / "data", out=place / "run", name="planted", actors=0, **SEEN, **asked
    )
