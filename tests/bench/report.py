"""Rows about what a report costs: 2,048 units and 1,000 concepts, from tables and images that are made up."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from PIL import Image

from tests.bench.row import Row

UNITS, CONCEPTS, IMAGES, TOP, SIDE = 2048, 1000, 1000, 15, 7
_BLOCK = 128
#: Processor seconds that two cores have in a minute, and bytes of the heaviest page.
_LIMIT, _WEIGHT = 120, 2_000_000


def _dataset(folder: Path) -> None:
    from filterscope.pipeline.datasets.layout import DatasetWriter

    rng = np.random.default_rng(0)
    with DatasetWriter(folder / "data", source={"reader": "bench"}) as out:
        concepts = [out.concept(f"concept {n:04d}", ("object", "part", "texture")[n % 3]) for n in range(CONCEPTS)]
        for number in range(IMAGES):
            pixels = rng.integers(0, 255, (12, 16, 3), np.uint8)
            path = folder / f"{number}.jpg"
            Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC).save(path)
            image = out.image(path)
            assert image is not None
            masks = np.zeros((12, 375, 500), bool)
            for mask in masks:
                top, left = rng.integers(0, 250, 2)
                mask[top : top + 100, left : left + 120] = True
            out.segments(image, rng.choice(concepts, len(masks), replace=False).tolist(), masks)


def _plan(folder: Path):
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.run.plan import Plan, PlannedModel
    from filterscope.pipeline.views.transform import Transform

    options = {
        "methods": ("dissection", "significance"), "min_images": 1, "unit_image": "off", "top_images": TOP,
        "unit_block": _BLOCK, "actors": 1, "device": "cpu", "keep_activations": False,
    }  # fmt: skip
    transform = Transform((224, 224), 256, "bilinear", (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    layer = Layer("layer4", "Sequential", UNITS, SIDE, SIDE)
    spec = ModelSpec("torchvision:resnet50@random:0")
    model = PlannedModel(spec, "resnet50", "resnet50", "0" * 64, transform, 25_000_000, 8, (layer,))
    identity = Dataset(folder / "data").identity
    return Plan(folder / "run", folder / "data", identity, IMAGES, "none", (model,), options)


def _tables(plan) -> None:
    """Write every table that a report reads, filled at random."""
    from filterscope.pipeline.engine.keys import blocks
    from filterscope.pipeline.run.tables import write_plan_tables

    write_plan_tables(plan)
    concepts = {"concept": NAMES, "category": CATEGORIES, "images": np.full(CONCEPTS, 12)}
    concepts |= {"pixels": np.full(CONCEPTS, 9999), "eligible": [True] * CONCEPTS}
    _write(plan, "concepts", ("squash-112",), geometry=["squash-112"] * CONCEPTS, **concepts)
    rng = np.random.default_rng(1)
    for block, start, stop in blocks("units", UNITS, _BLOCK):
        place = ("resnet50", "layer4", block)
        iou = rng.random((stop - start, CONCEPTS)) ** 8 * 0.3
        for table, columns in {
            "unit_concept": _pairs(iou, start, rng),
            "units": _units(iou, start),
            "thresholds": _thresholds(stop - start, start),
            "top_images": _tops(stop - start, start, rng),
            "unit_significance": _judged(iou.max(axis=1), start, rng),
        }.items():
            _write(plan, table, place, **columns)


NAMES = [f"concept {n:04d}" for n in range(CONCEPTS)]
CATEGORIES = [("object", "part", "texture")[n % 3] for n in range(CONCEPTS)]


def _write(plan, table: str, place: tuple[str, ...], **columns: object) -> None:
    from filterscope.pipeline.stores.tables import write_table
    from filterscope.schemas.results import TABLES

    write_table(plan.run, table, place, [pa.table(columns, schema=TABLES[table])])


def _keys(count: int, start: int, each: int = 1) -> dict[str, object]:
    unit = np.repeat(np.arange(start, start + count, dtype=np.int32), each)
    return {"model": ["resnet50"] * len(unit), "layer": ["layer4"] * len(unit), "unit": unit}


def _pairs(iou: np.ndarray, start: int, rng: np.random.Generator) -> dict[str, object]:
    count, pairs = len(iou), iou.size
    pixels = {name: rng.integers(0, 9999, pairs) for name in ("intersection", "activated", "labelled")}
    return {
        **_keys(count, start, CONCEPTS),
        "concept": NAMES * count,
        "category": CATEGORIES * count,
        **pixels,
        "iou": iou.ravel(),
        "association": rng.random(pairs),
        "lift": rng.random(pairs) * 20,
        "effective_images": rng.random(pairs) * 30,
        "standard_error": rng.random(pairs),
    }


def _units(iou: np.ndarray, start: int) -> dict[str, object]:
    count = len(iou)
    best, second = np.argsort(-iou, axis=1)[:, :2].T
    score, label = iou[np.arange(count), best], [NAMES[n] for n in best]
    each = {kind: [n for n in range(CONCEPTS) if CATEGORIES[n] == kind] for kind in ("object", "part", "texture")}
    return {
        **_keys(count, start),
        "status": ["live"] * count,
        "concept": label,
        "category": [CATEGORIES[n] for n in best],
        "iou": score,
        "detector": score > 0.04,
        "runner_up": [NAMES[n] for n in second],
        "runner_up_iou": iou[np.arange(count), second],
        "association_concept": label,
        "association": score,
        "activated_fraction": np.full(count, 0.005),
        "minimum": np.zeros(count, np.float32),
        "maximum": np.full(count, 9, np.float32),
        "mean": np.full(count, 0.5),
        "standard_deviation": np.full(count, 1.0),
        "best_per_category": [
            [
                {"category": kind, "concept": NAMES[of[int(row[of].argmax())]], "iou": float(row[of].max())}
                for kind, of in each.items()
            ]
            for row in iou
        ],
    }


def _thresholds(count: int, start: int) -> dict[str, object]:
    values = {"threshold": np.ones(count, np.float32), "quantile": np.full(count, 0.005)}
    return {**_keys(count, start), **values, "count": np.full(count, 49_000)}


def _tops(count: int, start: int, rng: np.random.Generator) -> dict[str, object]:
    tops = count * TOP
    maps = rng.normal(size=(tops, SIDE, SIDE)).astype("<f2")
    image = np.concatenate([rng.choice(IMAGES, TOP, replace=False) for _ in range(count)]).astype(np.int32)
    return {
        **_keys(count, start, TOP),
        "rank": np.tile(np.arange(TOP, dtype=np.int32), count),
        "image": image,
        "view": image,
        "maximum": maps.max(axis=(1, 2)).astype(np.float32),
        "height": np.full(tops, SIDE, np.uint16),
        "width": np.full(tops, SIDE, np.uint16),
        "map": [one.tobytes() for one in maps],
    }


def _judged(score: np.ndarray, start: int, rng: np.random.Generator) -> dict[str, object]:
    count = len(score)
    return {
        **_keys(count, start),
        "q_value": rng.random(count),
        "p_value": rng.random(count),
        "significant": rng.random(count) < 0.5,
        "iou_heldout": score,
        "interval_low": score / 2,
        "interval_high": score * 2,
        "label_replicates": rng.random(count) < 0.5,
        "p_place": rng.random(count),
        "note": pa.nulls(count, pa.string()),
    }


def made_up(folder: Path) -> Path:
    """Make a run folder as an audit leaves it, with nothing true in it."""
    from filterscope.pipeline.run.folder import RunFolder

    _dataset(folder)
    plan = _plan(folder)
    plan.run.mkdir()
    RunFolder(plan.run).record({}, plan, [])
    RunFolder(plan.run).log(datetime.now(UTC), "done", "audit", {})
    _tables(plan)
    return plan.run


def report_of_2048_units() -> Iterator[Row]:
    """Measure the processor time of all pages, one process, no Ray, and the weight of the heaviest page."""
    from filterscope.jobs.report.site import report_stage
    from filterscope.pipeline.run.folder import RunFolder

    with TemporaryDirectory(prefix="filterscope-bench-") as place:
        run, site = made_up(Path(place)), Path(place) / "site"
        began = time.process_time()
        stage = report_stage(RunFolder(run).plan(), site)
        for work in stage.group(stage.keys):
            stage.steps[0].call(work.task)
        taken = time.process_time() - began
        yield Row(
            "report_of_2048_units.seconds",
            taken,
            "processor s",
            f"{_LIMIT} s in a minute of 2 cores",
            taken / _LIMIT,
            "<= 1",
        )
        heaviest = max(_weights(site))
        yield Row(
            "report_of_2048_units.page",
            heaviest / 1e6,
            "MB",
            "heaviest page with its data, uncompressed",
            heaviest / _WEIGHT,
            "<= 1",
        )


def _weights(site: Path) -> Iterator[int]:
    """Yield what each page weighs, with the style, the scripts and the data that it loads by itself."""
    static = Path(__file__).parents[2] / "jobs" / "report" / "static"
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"', page.read_text())
        files = [static / Path(name).name if "static/" in name else page.parent / unquote(name) for name in loaded]
        yield page.stat().st_size + sum(file.stat().st_size for file in files)
