"""A run whose names try to break a page, and its report."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from filterscope.jobs.report.render import HERE
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.stores.activations import write_table
from filterscope.schemas.results import TABLES
from tests import planted

#: What a concept, a category, a landmark and an image file are called.
CONCEPT, CATEGORY = "<script>alert(1)</script>", "<i>odd</i>"
LANDMARK, FILE = "<em>dot</em>", 'it\'s "<img src=x onerror=alert(2)>"-{}.png'


def write_hostile(folder: Path, images: int = 24) -> None:
    """Write grey images; every third holds a red square, every third stripes, each with a landmark near its corner."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        red, striped = out.concept(CONCEPT, CATEGORY), out.concept("wheel rim", "part")
        grey = out.concept("grey", "color")
        for number in range(images):
            pixels = np.full((planted.SIZE, planted.SIZE, 3), 120, np.uint8)
            top, left = rng.integers(2, planted.SIZE - 12, 2)
            here = np.zeros((planted.SIZE, planted.SIZE), bool)
            here[top : top + 10, left : left + 10] = number % 3 != 2
            if number % 3 == 0:
                pixels[here] = (255, 0, 0)
            elif number % 3 == 1:
                stripes = np.where(np.arange(planted.SIZE) % 2, 255, 0).astype(np.uint8)
                pixels[here] = stripes[None, :, None].repeat(planted.SIZE, 0)[here]
            path = folder.parent / f"plain-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path, name=FILE.format(number))
            assert image is not None
            if number % 3 != 2:
                out.segment(image, (red, striped)[number % 3], here)
            out.segment(image, grey, ~here)
            out.landmark(image, None, LANDMARK, float(left), float(top))
        out.reject("<b>bad</b>.png", "<u>unreadable</u>")


def write_fields(run: Path) -> None:
    """Write an empirical field of unit 0 of layer 1, as the metric receptive-field would."""
    row = {"model": "planted", "layer": "1", "unit": 0, "theoretical_size": 3.0, "theoretical_area": 9.0}
    row |= {"empirical_size": 5.0, "empirical_area": 25, "offset_y": 1.0, "offset_x": 0.0}
    row |= {"images": 2, "occluder": 5, "step": 3}
    table = pa.Table.from_pylist([row], schema=TABLES["receptive_fields"])
    write_table(run, "receptive_fields", ("planted", "1", "units-000000"), [table])


@pytest.fixture(scope="session")
def hostile_run(audited: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every table that pages show, on hostile names."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    write_hostile(folder)
    network = {
        "source": "factory:tests.planted:network",
        "name": "planted",
        "input_size": planted.SIZE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "interpolation": "nearest",
    }
    run = audited(
        data=folder,
        models=[network],
        layers="0,1",
        quantile=0.05,
        min_images=3,
        unit_block=2,
        metrics="dissection,anchorings,stability,growth,significance,location",
    )
    write_fields(run)
    return run


@pytest.fixture(scope="session")
def site(hostile_run: Path) -> Path:
    """Its report."""
    from filterscope.jobs.report.site import write_report

    return write_report(hostile_run).parent


def write_dots(folder: Path, crops: int = 42) -> None:
    """Write crops of hostile objects with a red dot that moves about the middle, which is a concept and a landmark."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        red = out.concept(CONCEPT, "color")
        for number in range(crops):
            pixels, here = np.full((96, 96, 3), 120, np.uint8), np.zeros((96, 96), bool)
            row, column = (16 + 2 * np.clip(rng.normal(15, 3, 2).round(), 2, 29).astype(int)).tolist()
            here[row : row + 2, column : column + 2] = True
            pixels[here] = (255, 0, 0)
            Image.fromarray(pixels).save(folder.parent / f"dot-{number}.png")
            image = out.image(folder.parent / f"dot-{number}.png", name=FILE.format(number))
            assert image is not None
            out.landmark(image, out.object(image, CATEGORY, (16, 16, 80, 80)), LANDMARK, column + 0.5, row + 0.5)
            out.segment(image, red, here)


@pytest.fixture(scope="session")
def graph_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with units and an explanatory graph of two layers, on hostile names."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import planned
    from filterscope.pipeline.run.folder import RunFolder
    from filterscope.pipeline.run.tables import write_plan_tables
    from tests.inprocess import carry_out

    place = tmp_path_factory.mktemp("dots")
    write_dots(place / "data")
    network = {
        "source": "factory:tests.planted:two_layers",
        "name": "planted",
        "input_size": planted.SIZE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "interpolation": "nearest",
    }
    settings = {"layers": "1,3", "views": "objects", "flips": True, "graph_iterations": 4, "quantile": 0.05}
    settings |= {"min_images": 3, "unit_block": 2, "metrics": "dissection,graph"}
    plan = planned(load_config(out=place / "run", data=place / "data", models=[network], **settings))
    plan.run.mkdir()
    carry_out(plan)
    RunFolder(plan.run).record({}, plan, [])
    RunFolder(plan.run).log(datetime.now(UTC), "done", "audit", {})
    write_plan_tables(plan)
    return plan.run


@pytest.fixture(scope="session")
def graph_site(graph_run: Path) -> Path:
    """Its report, written in this process."""
    return written_here(graph_run, graph_run / "report")


def written_here(run: Path, site: Path, *, last_first: bool = False) -> Path:
    """Write the report of a run unit of work by unit of work, and return its folder."""
    from filterscope.jobs.report.site import carry_out, report_stage
    from filterscope.pipeline.run.folder import RunFolder

    shutil.copytree(HERE / "static", site / "static")
    stage = report_stage(RunFolder(run).plan(), site)
    works = stage.group(stage.units)
    for work in works[::-1] if last_first else works:
        carry_out(work.task)
    return site
