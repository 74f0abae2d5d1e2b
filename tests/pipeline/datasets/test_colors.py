"""Colour concepts cover every pixel once and never take a name that the source uses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.operators.images.colors import COLORS, name_colors
from filterscope.pipeline.datasets.colors import ColorLabels, concept_names
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask
from filterscope.pipeline.engine.errors import InputError


def test_a_taken_name_gets_the_suffix_of_broden() -> None:
    assert concept_names(["cat", "orange", "black-c"]) == tuple(
        "orange-c" if color == "orange" else color for color in COLORS
    )


def test_two_taken_names_stop_the_import() -> None:
    with pytest.raises(InputError) as error:
        concept_names(["red", "red-c"])
    assert str(error.value) == "the source has concepts 'red' and 'red-c' already; import it without --colors"


def test_every_pixel_has_exactly_the_colour_of_the_rule(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        concept = writer.concept("orange", "object")
        image = writer.image(tmp_path / "a.png")
        writer.segment(image, concept, None)
        ColorLabels(writer, ["orange"]).add(image, tmp_path / "a.png")
    data = Dataset.open(tmp_path / "data")
    names = dict(zip(data.concepts["concept"].to_pylist(), data.concepts["name"].to_pylist(), strict=True))
    expected = name_colors(rgb)
    covered = np.zeros((30, 20), int)
    for row in list(data.segments(0, 1))[1:]:
        mask = decode_mask(row["mask"], 30, 20)
        covered += mask
        np.testing.assert_array_equal(mask, expected == COLORS.index(names[row["concept"]].removesuffix("-c")))
    assert (covered == 1).all()
    assert names[1] == "orange"
    assert "orange-c" in names.values()
    assert {row["category"] for row in data.concepts.to_pylist()[1:]} == {"color"}


def test_an_image_that_cannot_be_decoded_keeps_its_other_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        image = writer.image(path)
        writer.segment(image, writer.concept("cat", "object"), None)
        ColorLabels(writer, ["cat"]).add(image, path)
    data = Dataset.open(tmp_path / "data")
    assert data.concepts["name"].to_pylist() == ["cat"]
    (reject,) = data.table("rejects").to_pylist()
    assert reject["item"] == str(path)
    assert reject["reason"].startswith("no colours: the pixels cannot be decoded: ")
