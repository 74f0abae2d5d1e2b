"""The one-pixel attack: differential evolution over the places and colours of a few pixels; and random pixels beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Share of the difference of two candidates that is added to a third [F].
DIFFERENTIAL = 0.5
_MEAN, _DEVIATION = 128.0, 127.0

#: Rates candidates, int64 of shape (P, d, 2 + channels), each d pixels of row, column and colour; the lowest is the best.
Rate = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Pixels:
    """What was found.

    Attributes
    ----------
    change : int64 ndarray of shape (d, 2 + channels)
        Row, column and colour, 0..255, of each pixel.
    value : float
        How it was rated.
    queries : int
        Candidates that were rated.
    """

    change: NDArray[np.int64]
    value: float
    queries: int


def one_pixel(
    shape: tuple[int, int, int],
    count: int,
    rate: Rate,
    random: np.random.Generator,
    *,
    enough: float,
    population: int = 400,
    generations: int = 100,
) -> Pixels:
    """Search the change of `count` pixels that is rated lowest.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of the image.
    count : int
        Pixels of a change [d].
    rate : callable
        See `Rate`; called once for each generation.
    random : numpy.random.Generator
        Of all draws.
    enough : float
        The search ends where the best is rated this or lower.
    population, generations : int
        Candidates, at least 4, and how often each is challenged by a child.

    Returns
    -------
    Pixels

    References
    ----------
    Su et al. 2017, One Pixel Attack for Fooling Deep Neural Networks, sections 3.2 and 4.1; no crossover, as there.

    Notes
    -----
    A child that leaves the range is put back to its border.
    """
    held = _drawn(shape, count, population, random)
    values = rate(_whole(held))
    queries = population
    for _ in range(generations):
        if values.min() <= enough:
            break
        one, two, three = _three_of(population, random)
        children = _inside(held[one] + DIFFERENTIAL * (held[two] - held[three]), shape)
        found = rate(_whole(children))
        queries += population
        better = found < values
        held[better], values[better] = children[better], found[better]
    best = int(values.argmin())
    return Pixels(_whole(held[best]), float(values[best]), queries)


def random_pixels(
    shape: tuple[int, int, int], count: int, rate: Rate, random: np.random.Generator, *, queries: int, batch: int = 400
) -> Pixels:
    """Return the best of as many candidates as `queries` that are drawn as the first population of `one_pixel` is."""
    best: Pixels | None = None
    for start in range(0, queries, batch):
        drawn = _whole(_drawn(shape, count, min(batch, queries - start), random))
        values = rate(drawn)
        at = int(values.argmin())
        if best is None or values[at] < best.value:
            best = Pixels(drawn[at], float(values[at]), queries)
    assert best is not None, "one query at least"
    return best


def painted(image: NDArray[np.uint8], changes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return an image (height, width, channels) under each of P changes; of two of the same pixel the later counts."""
    found = np.repeat(image[None], len(changes), axis=0)
    for pixel in range(changes.shape[1]):
        rows, columns = changes[:, pixel, 0], changes[:, pixel, 1]
        found[np.arange(len(changes)), rows, columns] = changes[:, pixel, 2:]
    return found


def _drawn(
    shape: tuple[int, int, int], count: int, candidates: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw places uniformly and colours from a normal distribution."""
    height, width, channels = shape
    places = random.uniform(0, (height, width), (candidates, count, 2))
    colours = random.normal(_MEAN, _DEVIATION, (candidates, count, channels))
    return _inside(np.concatenate([places, colours], axis=2), shape)


def _inside(candidates: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    height, width, channels = shape
    # a place is the pixel that it lies in: just below the edge is the last
    highest = [np.nextafter(float(height), 0), np.nextafter(float(width), 0), *[255.0] * channels]
    return np.clip(candidates, 0, highest)


def _whole(candidates: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the pixels that places lie in, and colours rounded."""
    return np.concatenate([np.floor(candidates[..., :2]), np.rint(candidates[..., 2:])], axis=-1).astype(np.int64)


def _three_of(population: int, random: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Draw three different candidates for each child."""
    one = random.integers(population, size=population)
    two = 1 + random.integers(population - 1, size=population)
    three = 1 + random.integers(population - 2, size=population)
    three += three >= two  # neither the first nor the second
    return one, (one + two) % population, (one + three) % population


__all__ = ["DIFFERENTIAL", "Pixels", "Rate", "one_pixel", "painted", "random_pixels"]
