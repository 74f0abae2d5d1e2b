"""A data set without groups whose neighbouring images look like frames of one sequence, which its user may not know of."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.operators.images.sequences import SIZE, WINDOW, shares_alike
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.images import UNDECODABLE, as_rgb, open_image, upright
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.stores.packs import expect
from filterscope.pipeline.stores.places import StoreError, readable

#: From this share on a person is told: between what sorted classes and what loose bursts of photographs have (docs/groups.md).
_TOLD = 0.4
#: Runs of images that are looked at, however many there are.
_WINDOWS = 60
#: Decoding frees the interpreter, and a store answers many at once.
_READERS = 8


def sequence_note(dataset: Dataset) -> str | None:
    """Return what to tell the user of a data set without groups that looks like frames of sequences; None if nothing."""
    shares = [] if dataset.grouped else near_alike(dataset)
    for apart, share in enumerate(shares, 1):
        if share >= _TOLD:
            which = "neighbouring images" if apart == 1 else f"images {apart} apart"
            return (
                f"note: {100 * share:.0f} % of {which} look like frames of one sequence. Frames are not independent "
                "evidence: import again with --group-by folder|REGEX|CSV, or labels will look more certain than they are"
            )
    return None


def near_alike(dataset: Dataset) -> list[float]:
    """Return the shares of images 1, 2 and 3 apart that look alike, from at most 240 thumbnails; NaN where too few to say."""
    starts = _starts(dataset.rows("images"), seed_of("sequences", dataset.identity))
    if not len(starts):
        return []
    images = (starts[:, None] + np.arange(WINDOW)).ravel()
    rows = list(zip(dataset.files(images), dataset.images["orientation"].take(images).to_pylist(), strict=True))
    with ThreadPoolExecutor(_READERS) as readers:
        runs = [rows[first : first + WINDOW] for first in range(0, len(rows), WINDOW)]
        thumbnails = np.concatenate(list(readers.map(_thumbnails, runs)))
    return shares_alike(thumbnails.reshape(len(starts), WINDOW, SIZE, SIZE, 3)).tolist()


def _starts(images: int, seed: int) -> np.ndarray:
    """Return the first image of each window: one at random in each of equal stretches of the data set, none overlapping."""
    windows = min(_WINDOWS, images // WINDOW)
    edges = np.arange(windows + 1) * images // max(windows, 1)
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:] - WINDOW, endpoint=True)


def _thumbnails(rows: Sequence[tuple[Path, int | None]]) -> np.ndarray:
    """Return images that follow each other, by file and orientation: uint8 of shape (images, SIZE, SIZE, 3)."""
    expect(path for path, _ in rows)
    return np.stack([_thumbnail(path, orientation) for path, orientation in rows])


def _thumbnail(path: Path, orientation: int | None) -> np.ndarray:
    """Return an image in SIZE x SIZE pixels, RGB; zeros where it cannot be read, which the audit itself will say."""
    try:
        with open_image(readable(path)) as image:
            image.draft("RGB", (2 * SIZE, 2 * SIZE))
            return np.asarray(upright(as_rgb(image), orientation).resize((SIZE, SIZE), Image.Resampling.BOX))
    except StoreError:
        raise
    except UNDECODABLE:
        return np.zeros((SIZE, SIZE, 3), np.uint8)


__all__ = ["near_alike", "sequence_note"]
