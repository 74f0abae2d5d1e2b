"""One unit of a run: what it detects, whether to believe it, and the images that excite it most."""

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.regions import outline_of
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.decode import decode_views

if TYPE_CHECKING:
    from PIL.Image import Image

#: Longer side of a picture, and how many of them a notebook shows.
SIDE, SHOWN = 160, 8
_GAP = 4
_SAMPLES = 80
_INSIDE, _AROUND = (255, 230, 0), (0, 0, 0)
_QUALITY = 85
_FACTS = {
    "IoU": "iou",
    "threshold": "threshold",
    "q": "q_value",
    "runner-up": "runner_up",
    "its IoU": "runner_up_iou",
    "maximum": "maximum",
}


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit of a layer.

    Attributes
    ----------
    model, layer : str
        Names in the run.
    unit : int
        Its number, from 0.
    facts : mapping
        Its row of the tables `units`, `thresholds` and `unit_significance`; None where the run has not computed it.
    """

    model: str
    layer: str
    unit: int
    facts: Mapping[str, Any] = field(repr=False)
    _plan: Plan = field(repr=False)
    _planned: tuple[PlannedModel, Layer] = field(repr=False)

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, layer: Layer, unit: int) -> "Unit":
        """Read a unit.

        Raises
        ------
        InputError
            If the layer has no such unit, or was not dissected.
        """
        if not isinstance(unit, Integral) or not 0 <= unit < layer.channels:
            raise InputError(
                f"no unit {unit!r} in layer {layer.name!r} of {model.name}; its units are 0 to {layer.channels - 1}"
            )
        number = int(unit)
        units, *others = (
            schemas.scan_layer(plan.run, table, model.name, layer.name).filter(pl.col("unit") == number)
            for table in ("units", "thresholds", "unit_significance")
        )
        for other in others:
            units = units.join(other.drop("model", "layer"), on="unit", how="left")
        rows = units.collect().to_dicts()
        if not rows:
            raise InputError(
                f"layer {layer.name!r} of {model.name} in {plan.run} was not dissected (yet): audit it with the method "
                "dissection, or finish the audit"
            )
        facts = rows[0]
        if facts["effective_groups"] is None:  # the run counted none; what it counted instead stands in
            pairs = schemas.scan_layer(plan.run, "unit_concept", model.name, layer.name)
            own = pairs.filter(pl.col("unit") == number, pl.col("concept") == facts["concept"])
            facts["effective_images"] = own.select(pl.col("effective_images").first()).collect().item()
        return cls(model.name, layer.name, number, facts, plan, (model, layer))

    @property
    def label(self) -> str | None:
        """Concept of highest IoU, None if there is none."""
        return self.facts["concept"]

    @property
    def iou(self) -> float:
        """IoU with its label."""
        return float(self.facts["iou"])

    @property
    def standing(self) -> str:
        """What its label is worth: strong, tentative, few images, chance or no label."""
        from filterscope.pipeline.methods.significance.trust import standing

        return standing(self.facts)

    @property
    def verdict(self) -> str:
        """What it detects, whether to believe it, and what to expect on new images, in a few sentences."""
        from filterscope.pipeline.methods.significance.trust import verdict

        return verdict(self.facts)

    @cached_property
    def top_rows(self) -> pl.DataFrame:
        """Its rows of the table `top_images`, strongest first."""
        rows = schemas.scan_layer(self._plan.run, "top_images", self.model, self.layer)
        return rows.filter(pl.col("unit") == self.unit).sort("rank").collect()

    @cached_property
    def top_images(self) -> list["Image"]:
        """Images of largest activation as the network sees them, strongest first, the region above T outlined.

        Grey where a file cannot be decoded any more.

        Raises
        ------
        InputError
            If the data set is no longer where it was audited.
        """
        if not (self._plan.data / MANIFEST).is_file():
            raise InputError(f"the images are not at hand: no data set at {self._plan.data}, where it was audited")
        (model, layer), plan = self._planned, self._plan
        here = self.top_rows["view"].to_list()
        decoded = decode_views(Dataset(plan.data), plan.views, here, model.geometry(plan.options.geometry))
        decoded.pixels[[bool(reason) for reason in decoded.reasons]] = 128
        outline = outline_of(plan, model, layer, (_SAMPLES, _SAMPLES))
        # maps are stored as the network gave them times the scale; thresholds are natural
        level = self.facts["threshold"] * plan.options.activation_scale
        maps = (
            np.frombuffer(stored, "<f2").reshape(height, width).copy()
            for height, width, stored in self.top_rows.select("height", "width", "map").iter_rows()
        )
        return [_outlined(pixels, outline(map_, level)) for pixels, map_ in zip(decoded.pixels, maps, strict=True)]

    def picture(self, images: int = SHOWN) -> "Image":
        """Return the strongest of its top images side by side, at most `images` of them, on white.

        Raises
        ------
        InputError
            If the data set is no longer where it was audited, or `images` is not a number above 0.
        """
        from PIL import Image

        if not isinstance(images, Integral) or images < 1:
            raise InputError(f"images: received {images!r}; expected how many to show, such as {SHOWN}")
        shown = self.top_images[: int(images)]
        row = Image.new("RGB", (len(shown) * (SIDE + _GAP) - _GAP, SIDE), "white")
        for place, picture in enumerate(shown):
            row.paste(picture, (place * (SIDE + _GAP) + (SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
        return row

    def _repr_html_(self) -> str:
        """Show title, verdict, facts and top images; a page of its own that needs no other file."""
        title = f"unit {self.unit} of {self.layer}, {self.model}"
        facts = ((name, self.facts[key]) for name, key in _FACTS.items() if self.facts[key] is not None)
        shown = " &middot; ".join(f"{name} {html.escape(_number(value))}" for name, value in facts)
        try:
            strip = "".join(map(_tag, self.top_images[:SHOWN], self.top_rows.iter_rows(named=True)))
        except InputError as error:
            strip = html.escape(str(error))
        return (
            f"<div><p><strong>{html.escape(title)}</strong><br>{html.escape(self.verdict)}<br>"
            f"<small>{shown}</small></p><div>{strip}</div></div>"
        )


def _outlined(pixels: np.ndarray, polygons: list[np.ndarray]) -> "Image":
    """Draw polygons of the unit square on an image (uint8, shape (height, width, 3)), scaled to `SIDE`."""
    from PIL import Image, ImageDraw

    scale = SIDE / max(pixels.shape[:2])
    size = tuple(max(round(scale * pixels.shape[axis]), 1) for axis in (1, 0))
    picture = Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for color, width in ((_AROUND, 4), (_INSIDE, 2)):  # a dark rim, so that it is seen on any image
        for polygon in polygons:
            points = [(float(x), float(y)) for x, y in np.vstack([polygon, polygon[:1]]) * (np.array(size) - 1)]
            draw.line(points, fill=color, width=width, joint="curve")
    return picture


def _tag(picture: "Image", row: Mapping[str, Any]) -> str:
    sink = io.BytesIO()
    picture.save(sink, "WEBP", quality=_QUALITY)
    content = base64.b64encode(sink.getvalue()).decode()
    about = f"image {row['image']}, maximum {_number(row['maximum'])}"
    return (
        f'<img src="data:image/webp;base64,{content}" alt="{about}" title="{about}" width="{picture.width}" '
        f'height="{picture.height}" style="display:inline-block;margin:0 4px 4px 0">'
    )


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


__all__ = ["SHOWN", "SIDE", "Unit"]
