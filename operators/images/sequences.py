"""Whether neighbouring images look like frames of one sequence: a video, a burst, one thing from several sides.

Thumbnails are standardised and correlated. A pair looks alike where its correlation reaches a bar that few images far apart
reach, so that a data set in which all images are alike (aligned faces, digits) does not look like a sequence. The bar is
held between two bounds: one that frames of a single still camera reach though all their pairs are alike, and one below which
nobody would call two images alike. The definition is ours.
"""

import numpy as np

#: Height and width of a thumbnail: fine enough that different faces differ, coarse enough that a small motion does not.
SIZE = 16
#: Images in a row that are compared: videos of up to three cameras whose frames alternate are seen.
WINDOW = 4
#: Share of pairs far apart that reach the bar, and the bounds of the bar.
_FAR, _LOWEST, _HIGHEST = 0.01, 0.4, 0.9
#: A share of fewer pairs says nothing.
_PAIRS = 20
#: Standard deviation in grey levels below which a thumbnail shows nothing.
_FLAT = 1.0


def shares_alike(thumbnails: np.ndarray) -> np.ndarray:
    """Return the share of near images that look alike, by how far apart they are.

    Parameters
    ----------
    thumbnails : ndarray of shape (windows, WINDOW, height, width, colours), uint8 or float
        Images that follow each other, from many places of a data set; grey levels, 0 to 255. One that is flat, such as
        zeros for an image that could not be read, takes part in no pair.

    Returns
    -------
    ndarray of shape (WINDOW - 1,), float64
        Share of the pairs 1, 2, ... apart whose correlation reaches the bar; NaN where fewer than 20 can be compared.
    """
    windows, length = thumbnails.shape[:2]
    images, seen = _standardised(thumbnails.reshape(windows * length, -1))
    correlation, seen = images @ images.T, np.outer(seen, seen)
    window = np.arange(windows * length) // length
    far = correlation[seen & (window[:, None] < window)]
    shares = np.full(length - 1, np.nan)
    if len(far) < _PAIRS:
        return shares
    # of equal pairs, rounding must not put some above the bar and some below
    bar = np.clip(np.quantile(far, 1 - _FAR), _LOWEST, _HIGHEST) - 1e-9
    for lag in range(1, length):
        near = np.diagonal(correlation, lag)[np.diagonal(seen, lag) & (window[lag:] == window[:-lag])]
        if len(near) >= _PAIRS:
            shares[lag - 1] = (near >= bar).mean()
    return shares


def _standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of mean 0 and length 1, and which of them are not flat."""
    values = values.astype(np.float64)
    values -= values.mean(1, keepdims=True)
    lengths = np.sqrt((values**2).sum(1))
    return values / np.maximum(lengths, 1e-9)[:, None], lengths >= _FLAT * np.sqrt(values.shape[1])


__all__ = ["SIZE", "WINDOW", "shares_alike"]
