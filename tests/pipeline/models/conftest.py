"""Fixtures of the model tests."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run torch on one thread, for float results depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any attempt to download."""

    def refuse(url: str, *args: object, **options: object) -> None:
        raise AssertionError(f"download of {url}")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
