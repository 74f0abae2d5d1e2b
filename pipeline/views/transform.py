"""What a network expects of an image: size, filter and normalisation."""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Transform:
    """Preprocessing of a network; the geometry (squash or crop) is chosen by the run.

    Parameters
    ----------
    input_size : tuple of int
        (height, width) of the network input, pixels.
    resize_size : int
        Length of the shorter side before the centre crop, pixels; for the crop geometry.
    interpolation : str
        PIL filter: bilinear, bicubic, nearest or lanczos.
    mean, std : tuple of float
        One number a channel of the network, which sees (x - mean) / std, with x in 0..1: R, G and B; one channel is grey, and
        more than three are R, G, B, R, G and so on.
    """

    input_size: tuple[int, int]
    resize_size: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return len(self.mean)

    @property
    def hash(self) -> str:
        """SHA-256 of the settings, hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


__all__ = ["Transform"]
