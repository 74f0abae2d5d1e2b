"""Fixtures shared by all tests."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.object_stores.server import bucket, server  # noqa: F401

# Kernels compile at first use and machines differ in speed: an example may take as long as it takes.
EXAMPLES = 100 if os.environ.get("FILTERSCOPE_SLOW") else 25
settings.register_profile("filterscope", deadline=None, derandomize=True, max_examples=EXAMPLES)
settings.load_profile("filterscope")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the slow tests unless FILTERSCOPE_SLOW is set, as .ci/run does, and faults unless FILTERSCOPE_FAULTS is."""
    for mark, variable in (("slow", "FILTERSCOPE_SLOW"), ("fault", "FILTERSCOPE_FAULTS")):
        for item in [] if os.environ.get(variable) else items:
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"{mark}; set {variable}=1"))
    _begin_with_long_files(items)


#: Files whose tests take minutes, the longest first.
_LONGEST = (
    "test_results", "test_every_method", "test_infogan", "test_readme", "test_geometry", "test_wheel", "test_write_a_method",
)  # fmt: skip


def _begin_with_long_files(items: list[pytest.Item]) -> None:
    """Order tests by file: the longest first, then those with slow tests, then those with many; workers end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow") and not item.get_closest_marker("skip")}
    many = Counter(item.path for item in items)
    first = {name: number for number, name in enumerate(_LONGEST)}

    def order(item: pytest.Item) -> tuple[bool, int, int, str]:
        return item.path not in slow, first.get(item.path.stem, len(first)), -many[item.path], str(item.path)

    items.sort(key=order)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real images, annotations and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("FILTERSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set FILTERSCOPE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that audits with the given settings into a new folder: in this process, or with `actors` on Ray."""
    import ray

    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit

    def run(toml: Path | None = None, *, out: Path | None = None, redo: str | None = None, **settings: object) -> Path:
        settings.setdefault("actors", 0)
        settings.setdefault("methods", settings.pop("metrics", "dissection"))
        out = out or tmp_path_factory.mktemp("run") / "run"
        audit(load_config(toml, out=out, **settings), redo=redo)
        return out

    yield run
    ray.shutdown()


@pytest.fixture(scope="session")
def coco(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 128 COCO images, imported."""
    from filterscope.pipeline.datasets.coco import import_coco

    folder = tmp_path_factory.mktemp("data") / "coco"
    import_coco(test_data / "coco128", folder, in_place=True)
    return folder
