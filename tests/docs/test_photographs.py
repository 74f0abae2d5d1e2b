"""The photographs on the pages are annotated, and an import takes them as they are written."""

import numpy as np
import polars as pl
from PIL import Image

from filterscope.pipeline.datasets.masks import import_masks
from tests.docs.photographs import CONCEPTS, REGIONS, write_photographs


def test_an_import_takes_every_photograph_and_concept(tmp_path):
    write_photographs(tmp_path / "source", crops=2)
    import_masks(tmp_path / "source", tmp_path / "data")
    assert pl.read_parquet(tmp_path / "data" / "images.parquet").height == 2 * len(REGIONS)
    found = pl.read_parquet(tmp_path / "data" / "concepts.parquet")
    assert dict(found.select("name", "category").iter_rows()).items() <= CONCEPTS.items()
    eyes = [
        np.asarray(Image.open(tmp_path / "source" / "masks" / f"chelsea_0{number}.png")) == [*CONCEPTS].index("eye") + 1
        for number in range(2)
    ]
    assert max(eye.mean() for eye in eyes) > 0.01


def test_crops_are_the_same_every_time_and_mirrored_by_turns(tmp_path):
    for name in ("one", "other"):
        write_photographs(tmp_path / name, crops=1)
    for file in (tmp_path / "one" / "images").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / "images" / file.name).read_bytes()
