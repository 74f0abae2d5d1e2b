"""Counts what was generated, last of all."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == "test_ten_thousand_inputs_were_generated")
