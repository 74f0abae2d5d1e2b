"""How much the maps of a filter tell about which template they fit, and how that grows with the maps.

Given its template T, a map x of the batch has the probability q(x) = exp(tr(x T)) / Z, Z over the batch's maps of the same
kind: those of images of the filter's category, each with the template of its own position, and the others, with the negative
template. Against an equal share 1 / N of each, the mean of log(q N) is the information.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018: equations 3 to 5.

Notes
-----
The paper takes Z and p(x) as constants that change slowly; so does the derivative. With them fixed, the derivative of
q log(q N) with respect to tr(x T) is q (log(q N) + 1). The paper leaves out the 1 and prints the other sign: without the 1
a map of average fit gets no push towards its template, and of the others half are pushed away from it.
"""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.interpretable.templates import NOWHERE, Templates


def fits(
    maps: NDArray[np.floating], position: NDArray[np.int64], own: NDArray[np.bool_], templates: Templates
) -> NDArray[np.floating]:
    """Return tr(x T), of shape (B, F): of the template at the map's position, or the negative one where not `own`."""
    masks = templates.masks.astype(maps.dtype)[position]
    positive = np.einsum("bfij,bfij->bf", maps, masks)
    return np.asarray(templates.tau * np.where(own, positive, -maps.sum(axis=(2, 3))))


def _shares(fit: NDArray[np.floating], kind: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return softmax over the images of one kind, filter by filter; 0 elsewhere."""
    highest = np.where(kind, fit, -np.inf).max(axis=0)
    powers = np.where(kind, np.exp(fit - np.where(kind.any(axis=0), highest, 0)), 0)
    return np.asarray(powers / np.maximum(powers.sum(axis=0), np.finfo(powers.dtype).tiny))


def _relative(share: NDArray[np.floating], kind: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return log(q N)."""
    return np.log(np.where(share > 0, share * kind.sum(axis=0), 1))


def information(
    maps: NDArray[np.floating], position: NDArray[np.int64], own: NDArray[np.bool_], templates: Templates
) -> NDArray[np.float64]:
    """Return the information of each filter, in nats: of its images and of the others, added.

    Parameters
    ----------
    maps : float ndarray of shape (B, F, h, w)
        Maps of F filters on the B images of a batch, not negative.
    position : int64 ndarray of shape (B, F)
        Position mu of each map, as of `templates.strongest`.
    own : bool ndarray of shape (B, F)
        Whether the image is of the filter's category.
    templates : Templates
        Of maps of this size.

    Returns
    -------
    float64 ndarray of shape (F,)
    """
    fit = fits(maps.astype(np.float64), position, own, templates)
    found = np.zeros(maps.shape[1])
    for kind in (own, ~own):
        share = _shares(fit, kind)
        found += (share * _relative(share, kind)).sum(axis=0)
    return found


def loss_gradient(
    maps: NDArray[np.floating], position: NDArray[np.int64], own: NDArray[np.bool_], templates: Templates
) -> NDArray[np.floating]:
    """Return the derivative of -information with respect to the maps, Z and p(x) being fixed.

    Arguments are those of `information`.

    Returns
    -------
    float ndarray of the shape and dtype of `maps`
        0 for maps that have no position.
    """
    fit = fits(maps, position, own, templates)
    weight = np.zeros(fit.shape, maps.dtype)
    for kind in (own, ~own):
        share = _shares(fit, kind)
        weight += share * (_relative(share, kind) + 1)
    weight = np.where(position == NOWHERE, 0, -templates.tau * weight).astype(maps.dtype)
    masks = templates.masks.astype(maps.dtype)[position]
    return weight[:, :, None, None] * np.where(own[:, :, None, None], masks, -1).astype(maps.dtype)


__all__ = ["fits", "information", "loss_gradient"]
