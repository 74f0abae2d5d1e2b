"""Measures what inversions of a layer keep, and writes the tables of the method."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from filterscope.operators.upconvolution import measures
from filterscope.operators.upconvolution.controls import others
from filterscope.operators.upconvolution.probes import probes
from filterscope.operators.upconvolution.units import inside, masks
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import LayerTask
from filterscope.pipeline.methods.units import named_or_drawn
from filterscope.pipeline.methods.up_convolution.inverted import CONTROLS, INVERTER, Inverted, Measure, inverted
from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Measures that are 1 at best; the others are 0.
RISING = ("structure", "identity")
#: Images of a unit: those of its largest maxima.
TOP = 8

Row = dict[str, Any]


class Measurer:
    """Called once for each layer; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: LayerTask) -> list[Output]:
        """Invert a layer and write its parts of the tables."""
        found = inverted(task, self._networks.network(task.plan, task.model, (task.layer.name,)))
        parts = {
            "upconvolutions": kept_rows(found),
            "upconvolution_pictures": picture_rows(found),
            "upconvolution_units": unit_rows(found),
        }
        count, checksums = 0, {}
        for name, rows in parts.items():
            same = {"model": task.model.name, "layer": task.layer.name}
            table = pa.Table.from_pylist([{**same, **known_row(row)} for row in rows], schema=TABLES[name])
            written, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
            count += written
        return [Output(task.key, count, checksums=checksums)]


def known_row(row: Row) -> Row:
    """Return a row with None in place of NaN."""
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}


def measures_of(found: Inverted) -> dict[str, Measure]:
    """Return all measures of pictures, for the images of a layer."""
    images, unit = found.images, float(found.inverter.distance)
    ways: dict[str, Measure] = {
        "error": lambda made: measures.distances(images, made) / unit,
        "colour": lambda made: measures.colour_error(images, made),
        "place": lambda made: measures.place_error(images, made),
        "edges": lambda made: measures.edge_error(images, made),
        "structure": lambda made: measures.structure(images, made),
        "cycle": lambda made: measures.relative(found.features, found.seen(made)),
    }
    if len(found.inverter.mean_image) == 1:  # grey images have no colour to lose
        del ways["colour"]
    answers = _answers(found, images)
    if answers is not None:

        def identity(made: np.ndarray) -> np.ndarray:
            again = _answers(found, made)
            assert again is not None
            return (again == answers).astype(np.float64)

        ways["identity"] = identity
    return ways


def _answers(found: Inverted, images: np.ndarray) -> np.ndarray | None:
    """Return the class that the network sees in each image; None if it tells none."""
    try:
        scores = found.network.scores(np.ascontiguousarray(images * 255, np.float32))
    except InputError:
        return None
    return scores.argmax(axis=1) if scores.shape[1] > 1 else None


def kept_rows(found: Inverted) -> list[Row]:
    """Return the rows of the table `upconvolutions`: every measure of the whole features, then of damaged ones."""
    rows = []
    ways = measures_of(found)
    for name, of in ways.items():
        values = {source: of(found.made[source]) for source in (INVERTER, *CONTROLS)}
        controls = {source: measures.interval(values[source])[0] for source in CONTROLS}
        sign = -1.0 if name in RISING else 1.0
        kept = measures.interval(sign * (values["random_weights"] - values[INVERTER]))
        difference = dict(zip(("kept_by_training", "kept_low", "kept_high"), kept, strict=True))
        rows.append({**_row("whole", name, values[INVERTER]), **controls, **difference})
    for probe, features in probes(found.features, found.seed).items():
        made = found.inverted(features)
        rows += [_row(probe, name, of(made)) for name, of in ways.items()]
    return rows


def _row(features: str, measure: str, values: np.ndarray) -> Row:
    value, low, high = measures.interval(values)
    return {
        "features": features, "measure": measure, "value": value, "low": low, "high": high, "images": len(values),
        **dict.fromkeys((*CONTROLS, "kept_by_training", "kept_low", "kept_high")),
    }  # fmt: skip


def picture_rows(found: Inverted) -> list[Row]:
    """Return the rows of the table `upconvolution_pictures`, of the first of the views, which are in random order."""
    count = found.task.plan.of(UpConvolutionOptions).pictures
    unit, rows = float(found.inverter.distance), []
    shown = found.images[:count]
    for source in ("image", INVERTER, *CONTROLS):
        made = shown if source == "image" else found.made[source][:count]
        errors = measures.distances(shown, made) / unit
        for view, error, picture in zip(found.views.tolist(), errors.tolist(), made, strict=False):
            rows.append({"view": view, "source": source, "error": error, "picture": png(picture)})
    return rows


def unit_rows(found: Inverted) -> list[Row]:
    """Return the rows of the table `upconvolution_units`."""
    task, plan = found.task, found.task.plan
    asked, named = plan.of(UpConvolutionOptions), plan.of(ReceptiveFieldOptions).units
    units = named_or_drawn(named, asked.sample, task.model, task.layer)
    # beside each unit another, as the control: the next one that is measured, or the next of the layer
    next_of = units[others(len(units), found.seed)] if len(units) > 1 else (units + 1) % task.layer.channels
    rows = []
    for unit, other in zip(units.tolist(), next_of.tolist(), strict=True):
        top = np.argsort(-found.features[:, unit].max(axis=(1, 2)), kind="stable")[:TOP]
        whole = found.features[top]
        without = whole.copy()
        without[:, unit] = found.features[:, unit].min()
        before, after = found.inverted(whole), found.inverted(without)
        change = measures.distances(before, after) / float(found.inverter.distance)
        shares = [_inside(before - after, whole[:, one], found.images.shape[1:3]) for one in (unit, other)]
        rows.append({
            "unit": unit, "change": float(change.mean()), "images": len(top), "inside": shares[0],
            "inside_control": shares[1] if other != unit else float("nan"),
        })  # fmt: skip
    return rows


def _inside(changes: np.ndarray, maps: np.ndarray, size: tuple[int, ...]) -> float:
    """Return the mean share of changes where maps (n, h, w), enlarged to the pictures, are strongest; NaN without places."""
    if maps.shape[1:] == (1, 1):
        return float("nan")
    large = torch.nn.functional.interpolate(torch.from_numpy(maps)[:, None], size, mode="bilinear", align_corners=False)
    return measures.interval(inside(changes, masks(large[:, 0].numpy())))[0]


def png(picture: np.ndarray) -> bytes:
    """Return a picture (height, width, 3) from 0 to 1 as a PNG."""
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray((picture * 255).round().clip(0, 255).astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()


__all__ = ["RISING", "TOP", "Measurer", "kept_rows", "known_row", "measures_of", "picture_rows", "png", "unit_rows"]
