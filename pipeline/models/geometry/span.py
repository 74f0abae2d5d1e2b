"""Receptive fields along one axis, and how the operations of a network change them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


class NoFieldError(Exception):
    """The positions of a map do not see equal windows at equal distances; the message says why."""


@dataclass(frozen=True)
class Span:
    """What the positions of a map see along one axis, in input pixels, 0-based.

    Attributes
    ----------
    first, last : float
        Outermost pixels that position 0 sees, padding included; position i sees them shifted by ``i * stride``.
    stride : float
        Pixels between neighbouring positions.
    low, high : float
        Outermost pixels that any position sees; a field is clipped there.
    count : int
        Positions of the map.
    """

    first: float
    last: float
    stride: float
    low: float
    high: float
    count: int

    @classmethod
    def of_input(cls, extent: int) -> "Span":
        """Return the fields of the input itself: every position sees its own pixel."""
        return cls(0, 0, 1, 0, extent - 1, extent)

    def window(self, count: int, *, kernel: int = 1, step: int = 1, pad: int = 0, dilation: int = 1) -> "Span":
        """Slide a window: a convolution, a pooling, a slice (negative `pad`) or a padding alone."""
        return self._shifted(-pad, dilation * (kernel - 1) - pad, self.stride * step, count)

    def upsampled(self, count: int, spread: float) -> "Span":
        """Interpolate to `count` positions, half-pixel centres, each read within `spread` positions of its place.

        The field is the hull over the phases, for they differ from one position to the next.
        """
        factor = count / self.count
        place = (1 - factor) / (2 * factor)
        return self._shifted(place - spread, place + spread, self.stride / factor, count)

    def _shifted(self, lower: float, upper: float, stride: float, count: int) -> "Span":
        first, last = self.first + lower * self.stride, self.last + upper * self.stride
        low, high = max(self.low, first), min(self.high, last + (count - 1) * stride)
        return Span(first, last, stride, low, high, count)


def hull(spans: Iterable[Span]) -> Span:
    """Return the smallest fields that hold those of all branches.

    Raises
    ------
    NoFieldError
        If their strides differ.
    """
    one, *others = spans
    for other in others:
        if other.stride != one.stride:
            raise NoFieldError(f"branches of stride {one.stride:g} and {other.stride:g} meet")
        one = replace(
            one,
            first=min(one.first, other.first),
            last=max(one.last, other.last),
            low=min(one.low, other.low),
            high=max(one.high, other.high),
        )
    return one
