"""Large pictures: every image that a page shows, whole and in its own proportions, with what the data set says of it."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from filterscope.jobs.report.place import ReportPlace, concept_place, image_place
from filterscope.jobs.report.render import kind, url, write_script
from filterscope.jobs.report.sections.facts import concepts_of
from filterscope.jobs.report.sections.labelled import Annotation, annotations
from filterscope.jobs.report.thumbnails import Look, looks_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.stores.places import write_atomically
from filterscope.pipeline.views.decode import decode
from filterscope.pipeline.views.geometry import Geometry, Window

#: Tables that pictures depend on: which concepts have pages.
OWN = ("concepts",)

#: Longer side of a large picture, in pixels, and of the drawing of it, in units; smaller images keep their pixels.
LARGE = 512

_QUALITY = 75


def shown_images(where: ReportPlace) -> list[int]:
    """Return the images that pages show, all of which have a page; none where the data set is not at hand."""
    looks = [where.slots(look) for look in looks_of(where.plan).values()]
    images = [where.plan.views.image[slots.view] for slots in looks if len(slots.slot)]
    return np.unique(np.concatenate(images)).tolist() if images else []


def drawn_size(height: int, width: int) -> tuple[int, int]:
    """Return width and height of the drawing of an image: its longer side is `LARGE`."""
    scale = LARGE / max(height, width)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def write_pictures(where: ReportPlace, images: Sequence[int]) -> int:
    """Write the large pictures of some images, each with a script that says what it shows."""
    dataset = Dataset(where.plan.data)
    table = dataset.images.take(images).select(["image", "uri", "height", "width", "sha256", "orientation"])
    held: dict[int, list[Annotation]] = {image: [] for image in images}
    for found in annotations(dataset, images):
        held[found.image].append(found)
    frames = frames_of(where, images)
    concepts = frozenset(concepts_of(where.plan.run)["concept"])
    for image, row in zip(images, table.to_pylist(), strict=True):
        shape = row["height"], row["width"]
        picture, reason = picture_of(dataset, row)
        write_atomically(where.site / "i" / f"{image}.webp", picture)
        facts = {
            "name": file_name(row["uri"]),
            "page": url(*image_place(image)),
            "picture": url("i", f"{image}.webp"),
            "reason": reason,
            "width": row["width"],
            "height": row["height"],
            "drawn": list(drawn_size(*shape)),
            "frames": frames[image],
            "concepts": [
                [
                    one.concept,
                    kind(one.category),
                    url(*concept_place(one.concept)) if one.concept in concepts else None,
                    one.path(shape, drawn_size(*shape)) if one.masks else None,
                ]
                for one in held[image]
            ],
        }
        write_script(where.site, ("i", f"{image}.js"), "pictures.image", image, facts)
    return len(images)


def file_name(uri: str) -> str:
    """Return the name of an image's file, without its folders."""
    return uri.rsplit("/", 1)[-1]


def picture_of(dataset: Dataset, row: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the large picture of an image as WebP, grey where its file cannot be read, and why it cannot.

    Parameters
    ----------
    dataset : Dataset
        Where it is.
    row : mapping
        Its number, height, width, sha256 and orientation.
    """
    from PIL import Image

    longer = max(row["height"], row["width"])
    scale = min(LARGE / longer, 1.0)
    size = max(round(row["height"] * scale), 1), max(round(row["width"] * scale), 1)
    whole = Geometry("squash", size, 0, "bicubic")
    decoded = decode(dataset.files([row["image"]]), whole, None, [row["sha256"]], [row["orientation"]])
    pixels = np.full((*size, 3), 128, np.uint8) if decoded.reasons[0] else decoded.pixels[0]
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "WEBP", quality=_QUALITY, method=2)
    return sink.getvalue(), decoded.reasons[0]


def frame_of(look: Look, window: Window, height: int, width: int) -> list[float]:
    """Return left, top, width and height of what a network sees of an image, as parts of it, and 1 if it is mirrored.

    Empty for the whole image that is not mirrored.
    """
    left, top, wide, high = look.geometry.seen(height, width, window)
    frame = [round(part, 5) for part in (left / width, top / height, wide / width, high / height)]
    return [*frame, int(window.flip)] if window.flip or frame != [0, 0, 1, 1] else []


def frames_of(where: ReportPlace, images: Iterable[int]) -> dict[int, dict[str, dict[int, list[float]]]]:
    """Return where the views lie that thumbnails of some images show.

    Returns
    -------
    dict
        image -> what its look sees -> view -> left, top, width and height of what the network sees, as parts of the image,
        and 1 if it is mirrored. Views of whole images that are not mirrored are left out.
    """
    plan = where.plan
    found: dict[int, dict[str, dict[int, list[float]]]] = {image: {} for image in images}
    sizes = Dataset(plan.data).images.select(["height", "width"])
    for look in looks_of(plan).values():
        for view in where.slots(look).view.tolist():
            image = int(plan.views.image[view])
            if image not in found:
                continue
            height, width = sizes["height"][image].as_py(), sizes["width"][image].as_py()
            if frame := frame_of(look, plan.views.window(view), height, width):
                found[image].setdefault(look.seen, {})[view] = frame
    return found


__all__ = [
    "LARGE",
    "OWN",
    "drawn_size",
    "file_name",
    "frame_of",
    "frames_of",
    "picture_of",
    "shown_images",
    "write_pictures",
]
