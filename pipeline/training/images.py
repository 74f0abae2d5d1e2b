"""Views of a data set as a training reads them: at random, many times."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.views.decode import decode_views, view_files
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.transform import Transform
from filterscope.pipeline.views.views import ViewSettings, open_views

#: Bytes of decoded views that a process keeps; of larger data sets every view is decoded each time.
KEPT = 4 << 30
_BLOCK = 256


class Images:
    """Decoded views of a data set; those that cannot be decoded are known once they were asked for.

    Parameters
    ----------
    folder : Path
        The data set.
    identity : str
        Its digest.
    settings : ViewSettings
        Which views.
    transform : Transform
        Preprocessing of the network; views are squashed to its input, as audits do by default.
    """

    def __init__(self, folder: Path, identity: str, settings: ViewSettings, transform: Transform) -> None:
        self._dataset, self._views = Dataset(folder), open_views(folder, identity, settings)
        self._geometry = Geometry.of(transform, "squash")
        shape = (len(self._views), *transform.input_size, 3)
        self._kept = np.zeros(shape, np.uint8) if np.prod(shape, dtype=np.int64) <= KEPT else None
        self._seen = np.zeros(len(self._views), bool)
        self._bad = np.zeros(len(self._views), bool)
        #: Images that could not be decoded, and why.
        self.rejects: dict[str, str] = {}

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return views, uint8 of shape (n, height, width, 3), and which of them could be decoded, bool of shape (n,)."""
        if self._kept is None:
            pixels = self._decoded(rows)
            return pixels, ~self._bad[rows]
        missing = rows[~self._seen[rows]]
        for start in range(0, len(missing), _BLOCK):
            here = missing[start : start + _BLOCK]
            self._kept[here] = self._decoded(here)
        return self._kept[rows], ~self._bad[rows]

    def _decoded(self, rows: np.ndarray) -> np.ndarray:
        decoded = decode_views(self._dataset, self._views, rows.tolist(), self._geometry)
        self._seen[rows] = True
        bad = [place for place, reason in enumerate(decoded.reasons) if reason]
        self._bad[rows[bad]] = True
        files = view_files(self._dataset, self._views.image[rows[bad]])
        self.rejects |= {file: decoded.reasons[place] for file, place in zip(files, bad, strict=True)}
        return decoded.pixels


@lru_cache(maxsize=1)
def images_of(folder: Path, identity: str, settings: ViewSettings, transform: Transform) -> Images:
    """Return the views of a data set; a process keeps those it read last for the next piece of work."""
    return Images(folder, identity, settings, transform)


__all__ = ["Images", "images_of"]
