"""Whether codes say by how much an image was turned, shifted, scaled, sheared or thickened: ridge regression, held out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: What is done to images, and the range that its size is drawn from: degrees, shares of the width, times, tangent, pixels.
TRANSFORMS: dict[str, tuple[float, float]] = {
    "rotation": (-25.0, 25.0),
    "shift": (-3 / 28, 3 / 28),
    "scale": (0.8, 1.2),
    "shear": (-0.4, 0.4),
    "dilation": (0.0, 1.0),
}
#: Principal axes of what codes are compared with.
AXES = 16
#: Shares of the mean variance that ridge may add; chosen on inner folds.
_ALPHAS = 10.0 ** np.arange(-4, 4)
_FOLDS = 5


def drawn(kind: str, random: np.random.Generator) -> float:
    """Draw the size of a transform; a dilation is 0 or 1."""
    low, high = TRANSFORMS[kind]
    return float(random.integers(2)) if kind == "dilation" else float(random.uniform(low, high))


def transformed(image: NDArray[np.uint8], kind: str, size: float) -> NDArray[np.uint8]:
    """Transform an image about its centre, bilinearly; what comes in from outside repeats the border.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, channels)
        The image.
    kind : str
        One of `TRANSFORMS`.
    size : float
        By how much.
    """
    from scipy import ndimage

    if kind == "dilation":
        return image if size < 0.5 else np.asarray(ndimage.grey_dilation(image, (3, 3, 1)))
    angle = np.deg2rad(size)
    matrix = {
        "rotation": np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]),
        "shift": np.eye(2),
        "scale": np.eye(2) / (size or 1.0),
        "shear": np.array([[1.0, 0.0], [size, 1.0]]),
    }[kind]
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - matrix @ centre
    if kind == "shift":
        offset = offset - np.array([0.0, size * image.shape[1]])
    planes = [
        ndimage.affine_transform(plane.astype(np.float64), matrix, offset, order=1, mode="nearest")
        for plane in np.moveaxis(image, 2, 0)
    ]
    moved: NDArray[np.uint8] = np.clip(np.rint(np.stack(planes, axis=2)), 0, 255).astype(np.uint8)
    return moved


def principal(values: NDArray[np.floating], train: NDArray[np.int64], count: int = AXES) -> NDArray[np.float64]:
    """Return the coordinates on the first principal axes of the rows `train`: float64 of shape (n, count at most)."""
    centred = np.asarray(values, np.float64) - values[train].mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred[train], full_matrices=False)
    return np.asarray(centred @ axes[:count].T)


def told(
    values: NDArray[np.floating], size: NDArray[np.float64], train: NDArray[np.int64], test: NDArray[np.int64]
) -> float:
    """Return the R2 with which ridge regression on rows `train` tells `size` on rows `test`; NaN where it does not vary.

    Parameters
    ----------
    values : ndarray of shape (n, K)
        Codes; standardised by those of `train`.
    size : float64 ndarray of shape (n,)
        Of the transform of each image.
    """
    if size[train].std() == 0 or size[test].std() == 0:
        return float("nan")
    mean, spread = values[train].mean(axis=0, dtype=np.float64), values[train].std(axis=0, dtype=np.float64)
    standard = (np.asarray(values, np.float64) - mean) / np.where(spread > 0, spread, np.inf)
    folds = np.array_split(train, _FOLDS)
    inner = [(np.concatenate(folds[:at] + folds[at + 1 :]), folds[at]) for at in range(_FOLDS)]
    lost = [sum(_squares(standard, size, own, other, alpha) for own, other in inner) for alpha in _ALPHAS]
    alpha = _ALPHAS[int(np.argmin(lost))]
    return float(1 - _squares(standard, size, train, test, alpha) / ((size[test] - size[test].mean()) ** 2).sum())


def _squares(
    values: NDArray[np.float64],
    size: NDArray[np.float64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    alpha: float,
) -> float:
    """Return the squared error on rows `test` of ridge regression on rows `train`."""
    mean, level = values[train].mean(axis=0), size[train].mean()
    x, y = values[train] - mean, size[train] - level
    added = alpha * len(train)
    if x.shape[1] <= len(train):
        weight = np.linalg.solve(x.T @ x + added * np.eye(x.shape[1]), x.T @ y)
    else:
        weight = x.T @ np.linalg.solve(x @ x.T + added * np.eye(len(train)), y)
    return float((((values[test] - mean) @ weight + level - size[test]) ** 2).sum())


def split(count: int, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two thirds of `count` rows to learn from and a third that is held out, in random order."""
    order = random.permutation(count)
    return order[: 2 * count // 3], order[2 * count // 3 :]


def compared(
    codes: NDArray[np.floating],
    controls: Sequence[NDArray[np.floating]],
    size: NDArray[np.float64],
    random: np.random.Generator,
) -> list[float]:
    """Return the R2 of codes, of the principal axes of each control, and of the codes with permuted sizes.

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        Of the transformed images.
    controls : sequence of ndarray of shape (n, ...)
        Their pixels, or a plain layer.
    size : float64 ndarray of shape (n,)
        By how much each was transformed.
    random : numpy.random.Generator
        Splits and permutes.
    """
    train, test = split(len(codes), random)
    permuted = random.permutation(size)
    plain = [told(principal(values.reshape(len(values), -1), train), size, train, test) for values in controls]
    return [told(codes, size, train, test), *plain, told(codes, permuted, train, test)]


__all__ = ["AXES", "TRANSFORMS", "compared", "drawn", "principal", "split", "told", "transformed"]
