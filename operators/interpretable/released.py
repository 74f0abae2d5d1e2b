"""The layer as the authors released it, which differs from the paper: centroids, masks of learnt width, its own derivative.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018. Code: github.com/zqs1022/interpretableCNN,
our_vl_simplenn.m (layer conv_mask), getMu.m and getMask.m.
"""

import numpy as np
from numpy.typing import NDArray

#: Width of a mask to begin with, and the least and most that it is learnt toward: `BETA` / 2, since coordinates span 2.
WIDTH, NARROWEST, WIDEST = 2.0, 3.0, 1.5
#: Deviation of positions, in cells, times the width that is learnt toward.
_REACH = 3.0
#: Temperature of the shares.
_ALPHA = 0.5
#: Least sum of a map that is divided by.
LEAST = 1e-9


def _cells(maps: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.arange(maps.shape[-2])[:, None], np.arange(maps.shape[-1])


def centroids(maps: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of the cell at the centre of gravity of maps of shape (..., h, w), not negative."""
    total = np.maximum(maps.sum(axis=(-2, -1)), LEAST)
    row, column = ((maps * cell).sum(axis=(-2, -1)) / total for cell in _cells(maps))
    # halves round up, as in MATLAB
    return np.floor(row + 0.5).astype(np.int64), np.floor(column + 0.5).astype(np.int64)


def masks(maps: NDArray[np.floating], width: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return max(1 - width |[i, j] - mu|_1, -1) about the centroids of maps.

    Parameters
    ----------
    maps : float ndarray of shape (B, F, h, w)
        Maps of F filters on B images, not negative.
    width : float ndarray of shape (F,)
        How fast the masks fall off, in coordinates that run from -1 to 1 over a map.

    Returns
    -------
    float ndarray of the shape and dtype of `maps`
    """
    height, wide = maps.shape[-2:]
    row, column = centroids(maps)
    rows, columns = _cells(maps)
    # a map of one row or column has no width
    far = 2 / max(height - 1, 1) * abs(rows - row[..., None, None])
    far = far + 2 / max(wide - 1, 1) * abs(columns - column[..., None, None])
    return np.asarray(np.maximum(1 - width[:, None, None] * far, -1), maps.dtype)


def _finite(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return values, infinite ones as the largest finite, and 0 where there is none."""
    known = np.isfinite(values)
    highest = values[known].max() if known.any() else 0.0
    return np.where(np.isposinf(values), highest, np.where(known, values, 0.0))


def _strengths(fit: NDArray[np.floating], log_z: NDArray[np.floating], kind: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return exp(s / a) (s - log Z + a) over its mean, filter by filter, over the images of one kind; 0 elsewhere."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        strength = _finite(np.where(kind, np.exp(fit / _ALPHA) * (fit - log_z + _ALPHA), 0.0))
        mean = strength.sum(axis=0) / np.maximum(kind.sum(axis=0), 1)
        return _finite(np.where(kind, strength / mean, 0.0))


def _log_z(fit: NDArray[np.floating]) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        return _finite(np.log(np.exp(fit / _ALPHA).mean(axis=0)) * _ALPHA)


def loss_gradient(
    maps: NDArray[np.floating],
    mask: NDArray[np.floating],
    own: NDArray[np.bool_],
    weights: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> NDArray[np.floating]:
    """Return what the release adds to the derivative with respect to the maps, before its factor 1e-5 * 0.1 / epoch.

    Parameters
    ----------
    maps, mask : float ndarrays of shape (B, F, h, w)
        Maps of F filters on the B images of a batch, not negative, and their masks.
    own : bool ndarray of shape (B, F)
        Whether the image is of the filter's category.
    weights : two float ndarrays of shape (F,)
        Of the images of a filter's category and of the others: 1 and 1 for one category, else 0.5 over their shares.

    Returns
    -------
    float ndarray of the shape and dtype of `maps`
    """
    fit, mean = (maps * mask).mean(axis=(2, 3), dtype=np.float64), maps.mean(axis=(2, 3), dtype=np.float64)
    # the masks of other images and filters stand for those that are not the map's own
    other = (maps * mask[::-1, ::-1]).mean(axis=(2, 3), dtype=np.float64)
    drawn = weights[0] * _strengths(fit, _log_z(other), own)
    pushed = weights[1] * _strengths(-mean, _log_z(-mean), ~own)
    return (-mask * drawn[:, :, None, None] + pushed[:, :, None, None]).astype(maps.dtype)


def wanted_widths(
    maps: NDArray[np.floating], mask: NDArray[np.floating], own: NDArray[np.bool_], width: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the widths that masks are learnt toward: 3 over the deviation of positions in cells, from 1.5 to 3.

    Arguments are those of `loss_gradient`, and the present widths of shape (F,), which stay where no image tells.
    """
    row, column = centroids(maps)
    rows, columns = _cells(maps)
    away = (rows - row[..., None, None]) ** 2 + (columns - column[..., None, None]) ** 2
    deviation = np.sqrt((maps * away).sum(axis=(2, 3)) / np.maximum(maps.sum(axis=(2, 3)), LEAST))
    strength = np.where(own, (maps * mask).mean(axis=(2, 3)), 0.0)
    total = strength.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.clip(_REACH / ((strength * deviation).sum(axis=0) / total), WIDEST, NARROWEST)
    return np.where(np.isfinite(wanted) & (total != 0), wanted, width).astype(np.float64)


__all__ = ["LEAST", "NARROWEST", "WIDEST", "WIDTH", "centroids", "loss_gradient", "masks", "wanted_widths"]
