"""One place where a network can be tapped."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A module whose output is a stack of maps (N, C, H, W).

    Attributes
    ----------
    name : str
        Qualified name of the module; ``name#k`` if it is called more than once.
    type : str
        Class of the module.
    channels, height, width : int
        Shape of its output for one image.
    output : int
        Number of the output: modules that hand on one unchanged tensor share it. -1 where not known.
    """

    name: str
    type: str
    channels: int
    height: int
    width: int
    output: int = -1
