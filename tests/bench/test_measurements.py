"""Every row of the bench can be measured: what it imports is there."""

from importlib import import_module

import pytest

from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.layout import Dataset
from tests.bench.__main__ import MEASUREMENTS
from tests.bench.dataflow import repeated


@pytest.mark.parametrize(("name", "module"), MEASUREMENTS.items())
def test_a_measurement_is_a_function_of_its_module(name, module):
    assert callable(getattr(import_module(f"tests.bench.{module}"), name))


def test_a_data_set_of_any_size_is_one_that_an_audit_takes(test_data, tmp_path):
    dataset = Dataset(repeated(tmp_path / "data", 200))
    check_dataset(dataset)
    assert dataset.rows("images") == 200
