"""What patterns are grown from: standardised responses of a layer's units, and how usual each unit is of a category.

A unit is here a cell of a channel's map. Constants are those of the released code, as shares of an input of 224 pixels.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.localization.patches import Lattice
from filterscope.operators.localization.templates import NONE

#: How far a pattern may move to either side [SearchRange .3 of 224 pixels, halved], as a share of the input's side.
REACH = 0.15
#: Weights of response and of place in how usual a unit is.
_RESPONSE, _PLACE = 0.1, 1.0


@dataclass(frozen=True)
class LayerResponses:
    """Units of one layer.

    Attributes
    ----------
    response : float32 ndarray of shape (I, C, h, w)
        Of I views, standardised channel by channel; `NONE` where a unit is silent.
    usual : float64 ndarray of shape (C, h, w)
        How usual each unit is of the category; see `usual_sums`.
    lattice : Lattice
        Where cells lie in the input.
    """

    response: NDArray[np.float32]
    usual: NDArray[np.float64]
    lattice: Lattice

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of its maps."""
        return self.response.shape[2], self.response.shape[3]

    def reach(self, side: float) -> tuple[int, int]:
        """Return how many rows and columns a pattern may move to either side."""
        rows, columns = (max(1, round(REACH * side / stride)) for stride in self.lattice.stride)
        return rows, columns

    def places(self) -> NDArray[np.float64]:
        """Return y and x of all cells, row by row: shape (h * w, 2)."""
        row, column = np.divmod(np.arange(self.cells[0] * self.cells[1]), self.cells[1])
        return self.lattice.middle(row, column, 1, 1)


def standardise(
    maps: NDArray[np.floating], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return (x - mean) / deviation where x > 0, above `NONE`, and `NONE` elsewhere.

    Parameters
    ----------
    maps : ndarray of shape (I, C, h, w)
        Activations.
    mean, deviation : float64 ndarrays of shape (C,)
        Over all cells of other objects' views; a channel without deviation stays as it is.

    Notes
    -----
    The release takes mean and deviation cell by cell, over 1,000 negative images; those of a channel are steadier where there
    are fewer.
    """
    spread = np.where(deviation > 0, deviation, 1.0)[:, None, None]
    apart = ((maps - mean[:, None, None]) / spread).astype(np.float32)
    lowest = np.nextafter(np.float32(NONE), np.float32(0))
    return np.where(maps > 0, np.maximum(apart, lowest), np.float32(NONE))


@njit(cache=True, nogil=True)
def _best_near(values: NDArray[np.float64], reach: int, fall: float) -> NDArray[np.float64]:
    """Return of each row (n, k) the highest value within reach, less fall * distance^2."""
    found = np.empty_like(values)
    for row in range(values.shape[0]):
        for at in range(values.shape[1]):
            best = -np.inf
            for other in range(max(0, at - reach), min(values.shape[1], at + reach + 1)):
                best = max(best, values[row, other] - fall * (other - at) * (other - at))
            found[row, at] = best
    return found


def usual_sums(
    response: NDArray[np.float32], reach: tuple[int, int], spread: tuple[float, float]
) -> NDArray[np.float64]:
    """Sum over views how well each unit is found near its place: float64 of shape (C, h, w).

    On a view it is the highest .1 response + log G(cells away) in the window; a mean over the views of a category is how usual
    the unit is [gen_V].

    Parameters
    ----------
    response : float32 ndarray of shape (I, C, h, w)
        From `standardise`.
    reach : (int, int)
        Cells of the window to either side, along y and x.
    spread : (float, float)
        Deviation of G in cells, along y and x [receptive field / stride].
    """
    _, channels, rows, columns = response.shape
    total = np.zeros((channels, rows, columns))
    for view in response:
        values = _RESPONSE * view.astype(np.float64)
        fall = [_PLACE / (4 * deviation**2) for deviation in spread]
        along_x = _best_near(values.reshape(-1, columns), reach[1], fall[1]).reshape(total.shape)
        turned = np.ascontiguousarray(along_x.transpose(0, 2, 1)).reshape(-1, rows)
        total += _best_near(turned, reach[0], fall[0]).reshape(channels, columns, rows).transpose(0, 2, 1)
    return total


__all__ = ["REACH", "LayerResponses", "standardise", "usual_sums"]
