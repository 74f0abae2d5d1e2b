"""Pictures that tables hold: PNGs, side by side and no larger than they are shown."""

import io
from collections.abc import Sequence

import numpy as np

#: Pixels between pictures that stand side by side.
GAP = 4


def png(*parts: np.ndarray, side: int | None = None, blocks: Sequence[int] = ()) -> bytes:
    """Return pictures side by side as a PNG.

    Parameters
    ----------
    *parts : uint8 ndarray of shape (height, width, 3) or (height, width)
        Of one size, but for those in `blocks`.
    side : int, optional
        Largest side of each; larger ones are averaged.
    blocks : sequence of int
        Numbers of those that are drawn in whole blocks at the size of the last one: maps of a layer.
    """
    from PIL import Image

    height, width = parts[-1].shape[:2]
    scale = min((side or max(height, width)) / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    sheet = Image.new("RGB", (len(parts) * (size[0] + GAP) - GAP, size[1]), "white")
    for number, part in enumerate(parts):
        way = Image.Resampling.NEAREST if number in blocks else Image.Resampling.BOX
        picture = Image.fromarray(part)
        picture = picture if picture.size == size else picture.resize(size, way)
        sheet.paste(picture.convert("RGB"), (number * (size[0] + GAP), 0))
    sink = io.BytesIO()
    sheet.save(sink, "PNG")
    return sink.getvalue()


def grey(values: np.ndarray, largest: float) -> np.ndarray:
    """Return values as uint8 grey levels, black at 0 and white at the largest; black where that is not above 0."""
    shares = np.clip(values / largest, 0, 1) if largest > 0 else np.zeros(values.shape)
    return np.rint(shares * 255).astype(np.uint8)


__all__ = ["GAP", "grey", "png"]
