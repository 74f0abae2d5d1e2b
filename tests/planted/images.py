"""Images on which the planted networks must find what they were made for."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from filterscope.pipeline.datasets.layout import MANIFEST, Dataset, DatasetWriter
from tests.planted.networks import SIZE


def write_dataset(
    folder: Path,
    *,
    images: int = 12,
    seed: int = 0,
    names: Sequence[str] = ("red", "grey", "striped"),
    category: str = "texture",
    group_of: Callable[[str], str | None] | None = None,
) -> None:
    """Write grey images; every third holds a red square, every third striped ones: concepts of these names.

    The seed says where the squares lie and how bright the grey is, so that sets of two seeds share no image; `category`
    is that of the stripes.
    """
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder, source={"reader": "planted"}, group_of=group_of) as out:
        red = out.concept(names[0], "color")
        grey = out.concept(names[1], "color")
        striped = out.concept(names[2], category)
        for number in range(images):
            pixels = np.full((SIZE, SIZE, 3), 120 + seed, np.uint8)
            top, left = rng.integers(2, SIZE - 12, 2)
            here = np.zeros((SIZE, SIZE), bool)
            here[top : top + 10, left : left + 10] = number % 3 != 2
            if number % 3 == 0:
                pixels[here] = (255, 0, 0)
            elif number % 3 == 1:
                pixels[here] = (
                    np.where(np.arange(SIZE) % 2, 255, 0).astype(np.uint8)[None, :, None].repeat(SIZE, 0)[here]
                )
            path = folder.parent / f"planted-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            assert image is not None
            if number % 3 == 0:
                out.segment(image, red, here)
            elif number % 3 == 1:
                out.segment(image, striped, here)
            out.segment(image, grey, ~here)


def spoil(data: Path, image: int, content: bytes) -> Path:
    """Give an image of a data set other bytes, as if its file had held them when it was imported, and return it."""
    images = pq.read_table(data / "images.parquet")
    rows = images.to_pylist()
    rows[image]["sha256"] = hashlib.sha256(content).hexdigest()
    pq.write_table(pa.Table.from_pylist(rows, schema=images.schema), data / "images.parquet")
    # as if it had been imported so: of a manifest of before 0.2 the identity is what counts
    manifest = json.loads((data / MANIFEST).read_text())
    del manifest["tables"]
    (data / MANIFEST).write_text(json.dumps({**manifest, "identity": Dataset(data).content}))
    path = data / rows[image]["uri"]
    path.write_bytes(content)
    return path


def write_colours(folder: Path, *, images: int = 60) -> None:
    """Write grey images without any annotation; each holds one square: red, green, blue, red, and so on."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number in range(images):
            pixels = np.full((SIZE, SIZE, 3), 120, np.uint8)
            top, left = rng.integers(1, SIZE - 4, 2)
            pixels[top : top + 3, left : left + 3] = np.eye(3, dtype=np.uint8)[number % 3] * 250
            path = folder.parent / f"colour-{number}.png"
            Image.fromarray(pixels).save(path)
            out.image(path)


def write_parts(folder: Path) -> Path:
    """Write grey images with a red head of 6 x 6 pixels, a body that nothing marks, and a rare tail that is red too."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        parts = [out.concept(f"bird {name}", "part") for name in ("body", "head", "tail")]
        for number in range(12):
            pixels, masks = np.full((32, 32, 3), 120, np.uint8), np.zeros((3, 32, 32), bool)
            top, left = rng.integers(2, 20, 2)
            masks[1, top : top + 6, left : left + 6] = number % 4 != 3
            masks[0, top + 4 : top + 10, left : left + 10] = True
            masks[2, :4, 28:] = number == 3
            pixels[masks[1] | masks[2]] = (255, 0, 0)
            path = folder.parent / f"parts-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            for part, mask in zip(parts, masks, strict=True):
                if mask.any():
                    out.segment(image, part, mask)
    return folder
