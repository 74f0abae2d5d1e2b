"""Pictures along a code are shown as they were stored, with the curve of the factor that the code stands for first."""

import base64
import io

import numpy as np
import polars as pl
from PIL import Image

from filterscope.jobs.report.sections.traversals import CURVES, SIDE, _curves, _strip
from filterscope.operators.codes.morphometry import FACTORS


def row(steps=3):
    pictures = np.arange(steps * 6, dtype=np.uint8).reshape(steps, 2, 3)
    factors = np.ones((steps, len(FACTORS)))
    factors[:, FACTORS.index("slant")] = [-0.5, 0.0, 0.5]
    factors[:, FACTORS.index("x")] = [10.0, 10.5, 12.0]
    frame = pl.DataFrame(
        {
            "value": [[-1.0, 0.0, 1.0]],
            "factors": [factors.tolist()],
            "picture": [[picture.tobytes() for picture in pictures]],
            "height": [2],
            "width": [3],
            "top_factor": ["x"],
        }
    )
    return pictures, frame.to_dicts()[0]


def test_pictures_hold_the_pixels_that_were_stored():
    pictures, strip = row()[0], _strip(row()[1])
    for (address, value), expected, said in zip(strip.pictures, pictures, ("-1.00", "+0.00", "+1.00"), strict=True):
        kind, data = address.split(",")
        assert kind == "data:image/png;base64"
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), expected)
        assert value == said
    assert strip.width == 3 * SIDE


def test_the_top_factor_comes_first_and_curves_go_from_low_to_high():
    curves = _strip(row()[1]).curves
    assert [curve.factor for curve in curves[:2]] == ["x", "slant"]
    assert curves[0].said == "x 10.00 to 12.00"
    assert curves[0].path == f"M28 {CURVES - 4:.1f}L84 {CURVES - 4 - 9:.1f}L140 4.0"


def test_a_code_that_changes_nothing_has_flat_curves():
    curves = _curves(np.ones((2, len(FACTORS))), None)
    assert {curve.path for curve in curves} == {f"M28 {CURVES - 4:.1f}L84 {CURVES - 4:.1f}"}
