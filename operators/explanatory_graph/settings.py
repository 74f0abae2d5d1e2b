"""How an explanatory graph is learned: the paper's way, or with what the released code does instead."""

import math
from dataclasses import dataclass
from typing import Literal

Mode = Literal["paper", "release"]

#: Share of the input's side: deformation that nodes begin with, half window, and bandwidth of activations.
START_DEVIATION, HALF_WINDOW, BANDWIDTH = 0.15, 0.15, 0.025
#: Largest distance between positions where activations are evaluated, as a share of the input's side: 6 in a window.
PITCH = 0.05
#: Bandwidth in map cells, at least: that of the published layers of stride 16.
BANDWIDTH_CELLS = 0.35
#: A window reaches so many deformations, at most.
WINDOW_DEFORMATIONS = 3.0
#: The dummy's density as a share of the nodes' mean mass.
DUMMY = 0.1
#: Smallest deformation as a share of the largest.
SMALLEST_DEFORMATION = 0.1


@dataclass(frozen=True)
class Settings:
    """Settings of learning, the published values by default.

    Attributes
    ----------
    mode : str
        paper: deformations from responsibilities, the geometric mean of deformations in lambda. release: deformations
        without responsibilities, and lambda as in the released code.
    iterations : int
        Rounds of expectation and maximisation [T].
    edges : int
        Upper nodes that a node is tied to, at most [M, topN].
    step : float
        Step size [eta].
    window : float
        Half the side of a node's window, at most, and the deviation of a node without edges, as a share of the input's side:
        how far a node may be from where it is expected.
    """

    mode: Mode = "paper"
    iterations: int = 20
    edges: int = 15
    step: float = 1.0
    window: float = HALF_WINDOW


def nodes_per_filter(height: int, width: int) -> int:
    """Return the nodes of a filter whose maps have so many rows and columns: 40 at 28 x 28, 20 at 14 x 14, 10 at 7 x 7."""
    return math.ceil(height * width * density(height, width))


def density(height: int, width: int) -> float:
    """Return nodes per map cell: the published values at 28, 14 and 7 rows; 40 nodes in total beyond 40 rows."""
    side = min(height, width)
    if side > 40:
        return 40 / (height * width)
    return 0.05 if side >= 24 else 0.1 if side >= 12 else 0.2


def largest_deformation(height: int, width: int, stride: float) -> float:
    """Return the largest deformation of a node in pixels: the distance between nodes spread evenly."""
    return stride / math.sqrt(density(height, width))
