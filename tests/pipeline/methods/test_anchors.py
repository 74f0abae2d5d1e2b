"""Masks sample the maps at the centres of their receptive fields when the run asks for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.anchoring import receptive_field_axis, upsample
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.anchors import axes_of
from filterscope.pipeline.models.field import Field, box
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.run.needs import refuse_without_field
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.run.planning import layers_of
from filterscope.pipeline.run.tables import _field_columns
from filterscope.schemas.run import LAYERS

FIELD = Field((3, 7), (2.0, 4.0), (1.0, 0.0), ((0, 30), (0, 39)), through_global=True)
MAP = Layer("conv", "Conv2d", 4, 15, 10, field=FIELD)


def planned(anchoring: str) -> Any:
    settings = {"anchoring": anchoring}
    return Plan(Path("run"), Path("data"), "", 1, "", (), settings)


MODEL: Any = SimpleNamespace(transform=SimpleNamespace(input_size=(32, 40)))


def test_each_axis_has_its_own_centre_and_stride() -> None:
    rows, columns = axes_of(planned("receptive_field"), MODEL, MAP, (16, 20))
    # mask pixel r lies at input coordinate 2 r + .5
    np.testing.assert_allclose((rows.lower + rows.weight)[[0, 1, 2, 15]], [0, 0.75, 1.75, 14])
    np.testing.assert_allclose((columns.lower + columns.weight)[[0, 1, 19]], [0.125, 0.625, 9])


def test_resize_ignores_the_field() -> None:
    rows, _ = axes_of(planned("resize"), MODEL, MAP, (16, 20))
    np.testing.assert_allclose((rows.lower + rows.weight)[[1, 2]], [1.5 * 15 / 16 - 0.5, 2.5 * 15 / 16 - 0.5])


@given(
    st.integers(1, 8), st.integers(1, 20), st.integers(8, 64), st.floats(-40, 60), st.sampled_from([1, 2.0, 8, 32]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_receptive_field_upsampling_equals_its_twin(
    positions: int, size: int, extent: int, centre: float, stride: float, seed: int
) -> None:
    raw = np.random.default_rng(seed).standard_normal((positions, positions)).astype(np.float16)
    axis = receptive_field_axis(positions, size, extent=extent, centre=centre, stride=stride)
    centres = centre + stride * np.arange(positions)
    pixels = (np.arange(size) + 0.5) * extent / size - 0.5

    def interpolated(values: np.ndarray) -> np.ndarray:
        return np.interp(pixels, centres, values)

    twin = np.apply_along_axis(interpolated, 1, np.apply_along_axis(interpolated, 0, raw.astype(float)))
    np.testing.assert_allclose(upsample(raw, axis, axis), twin, atol=1e-9)


def test_layers_have_their_fields_and_reasons() -> None:
    layers = {layer.name: layer for layer in layers_of(open_model(ModelSpec("timm:seresnet18@random:0")))}
    conv = layers["layer1.0.conv1"]
    assert conv.field == Field((19, 19), (4.0, 4.0), (0.0, 0.0), ((0, 223), (0, 223)))
    assert layers["layer1.1.conv1"].field == Field((35, 35), (4.0, 4.0), (0.0, 0.0), ((0, 223), (0, 223)), True)
    assert (layers["layer1.0.se.fc1"].field, layers["layer1.0.se.fc1"].no_field) == (None, "global")
    with pytest.raises(InputError) as error:
        refuse_without_field([conv, layers["layer1.0.se.fc1"]], "seresnet18", "to anchor at", "use --anchoring resize")
    assert str(error.value) == (
        "layer 'layer1.0.se.fc1' of seresnet18 has no receptive field to anchor at (global); use --anchoring resize, or "
        "leave the layer out"
    )


def test_a_layer_is_read_back_from_the_recorded_plan() -> None:
    import tomllib
    from dataclasses import asdict

    import tomli_w

    from filterscope.pipeline.run.plan import _without_none

    for layer in (MAP, Layer("pool", "AdaptiveAvgPool2d", 4, 1, 1, no_field="global")):
        stated = tomllib.loads(tomli_w.dumps(_without_none(asdict(layer))))
        assert Layer.from_dict(stated) == layer


def test_the_table_says_why_there_is_no_field() -> None:
    row = _field_columns(MAP)
    assert row == {
        **{"stride": 4.0, "receptive_field": 7, "field_height": 3, "field_width": 7},
        **{"centre_y": 1.0, "centre_x": 0.0, "through_global": True},
    }
    assert _field_columns(Layer("pool", "AvgPool2d", 4, 1, 1, no_field="global")) == {"no_field": "global"}
    assert set(row) | {"no_field"} < set(LAYERS.names)


def test_a_box_is_where_the_centre_says() -> None:
    assert box(FIELD, 0, 0) == ((0, 2), (0, 3))
    assert box(FIELD, 3, 5) == ((6, 8), (17, 23))
    assert box(FIELD, 14, 9) == ((28, 30), (33, 39))
