"""Location instability: how steady the distance from where a unit fires to a landmark is over images.

On each image the unit's inference is the receptive-field centre of its strongest map position. The deviation of its
distance to the landmark, over the diagonal of the network input, is the location instability D (Zhang & Zhu 2018,
section 6.2; Zhang et al. 2018, section 5). A unit that ignores the image can score low where the landmark keeps its
place in the crop, so every D stands beside the D of baselines without evidence on the same images. Vectors hide less than
distances: `displacement` is the deviation of the vector to the landmark, and `tracking` the share of the landmark's
variance that the unit follows, 0 for a constant position, 1 for a perfect follower.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.statistics.paired_bootstrap import p_values


@dataclass(frozen=True)
class Protocol:
    """How images are chosen and the deviation is taken.

    Attributes
    ----------
    name : str
        How rows of a table state it.
    images : int
        Images of strongest activation that count.
    landmark_first : bool
        Drop images without the landmark, then take the strongest; or the strongest of all, then drop.
    keep_constant : bool
        Keep images whose map has no spatial maximum.
    unbiased : bool
        Divide the deviation by c4(n).
    fewest : int
        Images under which there is no result.
    """

    name: str
    images: int
    landmark_first: bool
    keep_constant: bool
    unbiased: bool
    fewest: int


#: Protocols by name: the survey's, with corrections; the two releases without.
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("survey", 100, True, False, True, 10),
        Protocol("explanatory-graph", 20, False, True, False, 2),
        Protocol("interpretable-cnn", 100, True, True, False, 2),
    )
}


def c4(n: int) -> float:
    """Return the mean of the deviation (N - 1) of n normal values, over the true one."""
    return math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))


def field_centres(
    position: NDArray[np.integer], width: int, centre: tuple[float, float], stride: tuple[float, float]
) -> NDArray[np.float64]:
    """Return y and x of the receptive-field centres of map positions, shape (..., 2), in input pixels.

    Parameters
    ----------
    position : int ndarray of shape (...)
        Row-major positions in maps of `width` columns.
    width : int
        Columns of the maps.
    centre, stride : (float, float)
        Centre of position (0, 0), 0 at the centre of the first pixel, and pixels between neighbours, for y and x.
    """
    index = np.stack([position // width, position % width], axis=-1)
    return np.asarray(np.asarray(centre) + index * np.asarray(stride), np.float64)


def crop_centre(extent: tuple[int, int]) -> NDArray[np.float64]:
    """Return y and x of the centre of an input of height and width `extent`: the baseline `fixed`."""
    return (np.asarray(extent, np.float64) - 1) / 2


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def uniform_positions(
    units: NDArray[np.int64], views: NDArray[np.int64], seed: int, extent: tuple[int, int]
) -> NDArray[np.float64]:
    """Draw a position over the whole input for each unit and view: the baseline `uniform`.

    Parameters
    ----------
    units, views : int ndarrays, broadcast against each other
        What a draw is for; the same unit, view and seed always give the same position.
    seed : int
        64 bits from the identity of the layer.
    extent : (int, int)
        Height and width of the input.

    Returns
    -------
    float64 ndarray of shape (..., 2)
        y and x in input pixels, from -0.5 to extent - 0.5.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = _mixed(np.asarray(units, np.int64).view(np.uint64) * golden + np.uint64(seed & (2**64 - 1)))
    key = _mixed(key + np.asarray(views, np.int64).view(np.uint64) * golden)
    drawn = _mixed(key[..., None] + np.array([1, 2], np.uint64) * golden) >> np.uint64(11)
    return np.asarray(drawn * 2.0**-53 * np.asarray(extent, np.float64) - 0.5, np.float64)


@dataclass(frozen=True)
class Steadiness:
    """How steady R units (or nodes) are beside one landmark; NaN where there is no result.

    Attributes
    ----------
    images : int64 ndarray of shape (R,)
        Images with an inference and the landmark.
    displacement : float64 ndarray of shape (R,)
        Deviation of the vector to the landmark, sqrt(tr Cov(p_k - p)), in diagonals.
    constant : float64 ndarray of shape (R,)
        The same of a constant position, whichever it is: the landmark's own deviation.
    tracking : float64 ndarray of shape (R,)
        1 - tr Cov(p_k - p) / tr Cov(p_k); NaN also where the landmark never moves.
    instability : float64 ndarray of shape (R,)
        Deviation of the distance to the landmark, in diagonals [D].
    """

    images: NDArray[np.int64]
    displacement: NDArray[np.float64]
    constant: NDArray[np.float64]
    tracking: NDArray[np.float64]
    instability: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison(Steadiness):
    """The same beside P baselines on the same images.

    Attributes
    ----------
    baselines : float64 ndarray of shape (R, P)
        D of each baseline.
    p_value : float64 ndarray of shape (R, P)
        That the unit scatters as much as the baseline, from `operators.statistics.paired_bootstrap.p_values`.
    """

    baselines: NDArray[np.float64]
    p_value: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _squares(values: NDArray[np.float64]) -> float:
    """Return the sum of squared deviations from the mean."""
    mean = 0.0
    for value in values:
        mean += value
    mean /= len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return squares


@njit(cache=True, nogil=True)
def _measure(
    positions: NDArray[np.float64], landmarks: NDArray[np.float64], baselines: NDArray[np.float64], diagonal: float,
    distances: NDArray[np.float64], deviation: NDArray[np.float64], apart: NDArray[np.float64],
) -> None:  # fmt: skip
    for row in range(len(positions)):
        seen = np.flatnonzero(~np.isnan(landmarks[row, :, 0]) & ~np.isnan(positions[row, :, 0]))
        for series in range(distances.shape[1]):
            for image in seen:
                place = positions[row, image] if series == 0 else baselines[row, image, series - 1]
                dy, dx = landmarks[row, image, 0] - place[0], landmarks[row, image, 1] - place[1]
                distances[row, series, image] = np.sqrt(dy * dy + dx * dx) / diagonal
            if len(seen) > 1:
                deviation[row, series] = np.sqrt(_squares(distances[row, series][seen]) / (len(seen) - 1))
        if len(seen) > 1:
            apart[row] = 0.0
            for axis in range(2):
                landmark = landmarks[row, :, axis][seen]
                apart[row, 0] += _squares(landmark - positions[row, :, axis][seen]) / (len(seen) - 1)
                apart[row, 1] += _squares(landmark) / (len(seen) - 1)


def _steadiness(
    positions: NDArray[np.float64], landmarks: NDArray[np.float64], baselines: NDArray[np.float64],
    extent: tuple[int, int], protocol: Protocol,
) -> tuple[Steadiness, NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return how steady units are, D of the baselines, and all distances in diagonals: (R, 1 + P, n)."""
    rows, most, series, _ = baselines.shape
    distances = np.full((rows, series + 1, most), np.nan)
    deviation, apart = np.full((rows, series + 1), np.nan), np.full((rows, 2), np.nan)
    diagonal = math.hypot(*extent)
    _measure(positions, landmarks, baselines, diagonal, distances, deviation, apart)
    images = (~np.isnan(distances[:, 0])).sum(axis=1)
    few = images < max(protocol.fewest, 2)
    deviation[few], apart[few] = np.nan, np.nan
    if protocol.unbiased:
        correction = np.array([c4(n) if n > 1 else 1.0 for n in range(most + 1)])
        deviation /= correction[images, None]
    displacement, constant = np.sqrt(apart).T / diagonal
    share = np.divide(apart[:, 0], apart[:, 1], out=np.full(rows, np.nan), where=apart[:, 1] > 0)
    found = Steadiness(images, displacement, constant, 1 - share, deviation[:, 0])
    return found, deviation[:, 1:], distances


def steadiness(
    positions: NDArray[np.float64], landmarks: NDArray[np.float64], extent: tuple[int, int], protocol: Protocol
) -> Steadiness:
    """Measure units as `compare` does, without baselines."""
    none = np.zeros((*positions.shape[:2], 0, 2))
    return _steadiness(positions, landmarks, none, extent, protocol)[0]


def compare(
    positions: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    baselines: NDArray[np.float64],
    groups: NDArray[np.int64],
    extent: tuple[int, int],
    protocol: Protocol,
    weights: NDArray[np.float32],
) -> Comparison:
    """Measure R units against one landmark on the n images chosen for each.

    Parameters
    ----------
    positions : float64 ndarray of shape (R, n, 2)
        y and x of each unit's inference on each of its images, in input pixels; NaN where there is none.
    landmarks : float64 ndarray of shape (R, n, 2)
        The landmark on the same images; NaN where the image does not show it exactly once.
    baselines : float64 ndarray of shape (R, n, P, 2)
        Positions of P baselines on the same images.
    groups : int64 ndarray of shape (R, n)
        Source images: views of one are resampled together.
    extent : (int, int)
        Height and width of the network input.
    protocol : Protocol
        How few images are too few, and whether c4 is divided out.
    weights : float32 ndarray of shape (at least n, draws)
        From `operators.statistics.paired_bootstrap.poisson_weights`.
    """
    found, scattered, distances = _steadiness(positions, landmarks, baselines, extent, protocol)
    there = ~np.isnan(found.instability)
    p_value = np.full(scattered.shape, np.nan)
    p_value[there] = p_values(distances[there], groups[there], weights)
    return Comparison(**vars(found), baselines=scattered, p_value=p_value)


def columns_of(found: Steadiness, triggered: Steadiness) -> dict[str, NDArray[np.float64]]:
    """Return by name what tables state of R units, NaN where there is no result.

    Parameters
    ----------
    found : Steadiness
        On all images measured.
    triggered : Steadiness
        On those of them that trigger the unit.
    """
    some = np.where(found.images > 0, found.images, 1)
    return {
        "displacement": found.displacement,
        "constant": found.constant,
        "tracking": found.tracking,
        "instability": found.instability,
        "triggered_tracking": triggered.tracking,
        "triggered_instability": triggered.instability,
        "triggered_share": np.where(found.images > 0, triggered.images / some, np.nan),
    }
