"""Fixtures of the tests of attribution."""

from tests.pipeline.models.conftest import one_thread

__all__ = ["one_thread"]
