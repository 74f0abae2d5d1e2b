"""The animal-part set comes in whole, and its points return to the source's own coordinates."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.landmarks import landmarks_in_views
from filterscope.pipeline.views.views import Views, ViewSettings


@pytest.fixture(scope="module")
def animals(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("animals") / "data"
    import_animals(test_data / "animals", folder, in_place=True)
    return Dataset.open(folder, need="landmarks")


def test_every_image_box_and_point_comes_in(animals: Dataset) -> None:
    uris, splits = (animals.images[name].to_pylist() for name in ("uri", "split"))
    positives = [Path(uri).name for uri, split in zip(uris, splits, strict=True) if split is None]
    assert Counter(name.partition("_")[0] for name in positives) == {"bird": 220, "dog": 202, "cat": 215}
    assert splits.count("negative") == 300
    assert animals.table("objects").num_rows == 690
    assert Counter(animals.table("landmarks")["landmark"].to_pylist()) == {"head": 599, "frontal_legs": 425}
    assert animals.table("rejects").num_rows == 0
    assert animals.concepts.num_rows == 0


def test_boxes_include_both_ends(animals: Dataset) -> None:
    assert animals.table("objects").slice(0, 1).to_pylist() == [
        {"image": 0, "object": 0, "category": "bird", "box": [67.0, 124.0, 640.0, 765.0]}
    ]


def test_views_of_animals_are_counted(animals: Dataset) -> None:
    views = Views.of(animals, ViewSettings("objects"))
    boxes = np.array(animals.table("objects")["box"].to_pylist())
    small = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) < 2500
    assert (len(views), len(views.dropped)) == (690 - small.sum(), small.sum())
    everything = Views.of(animals, ViewSettings("objects:cat", flips=True, negatives=True))
    cats = sum(category == "cat" for category in views.category)
    assert len(everything) == 2 * (cats + 300)
    assert Counter(everything.category) == {"cat": 2 * cats, None: 600}


def test_points_in_crops_are_the_sources_own(animals: Dataset) -> None:
    """The pack states x = xmin + u / 224 (xmax - xmin), from end to end: half a pixel of either grid apart from ours."""
    views = Views.of(animals, ViewSettings("objects"))
    found = landmarks_in_views(animals, views, Geometry("squash", (224, 224), 224, "bilinear"))
    boxes = {row["object"]: row["box"] for row in animals.table("objects").to_pylist()}
    rows = animals.table("landmarks").to_pylist()
    kept = set(views.object.tolist())
    expected = sorted(
        (row["object"], found.names.index(row["landmark"]), row["x"], row["y"]) for row in rows if row["object"] in kept
    )
    order = np.lexsort((found.y, found.x, found.landmark, views.object[found.view]))
    for place, (number, landmark, x, y) in zip(order, expected, strict=True):
        x0, y0, x1, y1 = boxes[number]
        assert views.object[found.view[place]] == number
        assert found.landmark[place] == landmark
        apart = 0.5 + 0.5 * 224 / (x1 - x0)
        assert found.x[place] == pytest.approx(224 * (x - x0) / (x1 - 1 - x0), abs=apart + 1e-3)
        apart = 0.5 + 0.5 * 224 / (y1 - y0)
        assert found.y[place] == pytest.approx(224 * (y - y0) / (y1 - 1 - y0), abs=apart + 1e-3)
    assert found.inside.all()


def test_two_animals_in_one_box_are_counted(animals: Dataset) -> None:
    views = Views.of(animals, ViewSettings("objects"))
    found = landmarks_in_views(animals, views, Geometry("squash", (224, 224), 224, "bilinear"))
    pairs = set(zip(found.view[found.instances == 2], found.landmark[found.instances == 2], strict=True))
    assert len(pairs) == 10
    assert set(found.instances) == {1, 2}


def test_boxes_of_parts_are_those_of_the_pack(animals: Dataset, test_data: Path) -> None:
    with (test_data / "animals" / "landmarks.csv").open(newline="") as file:
        stated = [(float(row["part_width"]), float(row["part_height"])) for row in csv.DictReader(file)]
    rows = animals.table("landmarks").to_pylist()
    assert [(row["width"], row["height"]) for row in rows] == [pytest.approx(size, rel=1e-6) for size in stated]
    views = Views.of(animals, ViewSettings("objects"))
    found = landmarks_in_views(animals, views, Geometry("squash", (224, 224), 224, "bilinear"))
    assert (found.size > 0).all()
