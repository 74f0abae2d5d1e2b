"""Every row of the bench can be measured: what it imports is there."""

from importlib import import_module

import pytest

from tests.bench.__main__ import MEASUREMENTS


@pytest.mark.parametrize(("name", "module"), MEASUREMENTS.items())
def test_a_measurement_is_a_function_of_its_module(name, module):
    assert callable(getattr(import_module(f"tests.bench.{module}"), name))
