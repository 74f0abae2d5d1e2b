"""What every way to explain a score is: images and classes in, maps out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from filterscope.pipeline.models.network import Network


@dataclass(frozen=True)
class Explanation:
    """Maps of a block of images.

    Attributes
    ----------
    maps : float32 ndarray of shape (n, h, w)
        How much each place speaks for the class, signed where the method is; of the network's input size or coarser.
    passes : float
        Forward passes of one image that it took as long as; a way back counts two.
    fit : float64 ndarray of shape (n,), optional
        How well the method's own model of the score fits (R^2), where it has one.
    """

    maps: np.ndarray
    passes: float
    fit: np.ndarray | None = None


class Explainer(Protocol):
    """A method of region attribution."""

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores before any softmax.

        Parameters
        ----------
        network : Network
            The network.
        pixels : uint8 ndarray of shape (n, height, width, 3)
            Decoded images.
        classes : int64 ndarray of shape (n,)
            Class of each image whose score is explained.
        seeds : uint64 ndarray of shape (n,)
            Of what is drawn at random for each image; the same however the images are cut into blocks.
        """
        ...


__all__ = ["Explainer", "Explanation"]
