"""Colour concepts for any data set: every pixel of every image is one of the 11 basic colours."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from filterscope.operators.images.colors import COLORS, name_colors
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import BadRowError, read_rgb
from filterscope.pipeline.engine.errors import InputError


def concept_names(taken: Iterable[str]) -> tuple[str, ...]:
    """Return the concept name of each of `COLORS`: the colour's own, or with ``-c`` appended where that is taken.

    Raises
    ------
    InputError
        If both names of a colour are taken.
    """
    known = {unicodedata.normalize("NFC", name) for name in taken}
    names = tuple(f"{color}-c" if color in known else color for color in COLORS)
    for name in names:
        if name in known:
            raise InputError(f"the source has concepts {name[:-2]!r} and {name!r} already; import it without --colors")
    return names


class ColorLabels:
    """Labels the pixels of images with the rule of `operators.images.colors`.

    Parameters
    ----------
    writer : DatasetWriter
        Where the segments go.
    taken : iterable of str
        Names of all concepts of the source, whether they occur or not.
    """

    def __init__(self, writer: DatasetWriter, taken: Iterable[str]) -> None:
        self._writer = writer
        self._names = concept_names(taken)

    def add(self, image: int, path: Path) -> None:
        """Label an image; one whose pixels cannot be decoded goes to `rejects` without colours."""
        try:
            rgb = read_rgb(path, self._writer.orientation(image))
        except BadRowError as bad:
            self._writer.reject(str(path), f"no colours: {bad}")
            return
        # Run lengths go down the columns: in this order the encoder need not transpose every mask.
        labels = np.asfortranarray(name_colors(rgb))
        for index in np.flatnonzero(np.bincount(labels.ravel(order="K"), minlength=len(COLORS))):
            concept = self._writer.concept(self._names[index], "color")
            self._writer.segment(image, concept, labels == index)
