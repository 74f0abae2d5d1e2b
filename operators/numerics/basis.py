"""Rotated bases of a layer, network dissection's own control: the same representation, no axis special."""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.numerics.seeds import seed_of


def rotation(units: int, seed: int, layer: str, alpha: float = 1.0) -> NDArray[np.float64]:
    """Return Q^alpha for a random rotation Q, uniform over SO(units): alpha 0 is the identity, 1 the whole rotation.

    Q^alpha goes along the shortest way from one to the other (Bau et al. 2017, section 3.2).

    Parameters
    ----------
    units : int
        Units of the layer.
    seed : int
        Seed; with the name of the layer it draws Q.
    layer : str
        Name of the layer.
    alpha : float
        Share of the rotation, 0 to 1.

    Returns
    -------
    float64 ndarray of shape (units, units)
        A unit of the rotated basis is a row: its activation is the row times the activations of all units.
    """
    rng = np.random.Generator(np.random.PCG64(seed_of("basis", seed, layer)))
    q, r = np.linalg.qr(rng.standard_normal((units, units)))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    if np.linalg.det(q) < 0:
        q[:, 0] *= -1.0
    return q if alpha == 1.0 else _power(q, alpha)


def _power(q: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Scale the angles of a rotation: its real Schur form is made of plane rotations and fixed axes."""
    from scipy.linalg import schur  # half a second that few runs need

    form, vectors = schur(q, output="real")
    scaled, place, turned = np.eye(len(q)), 0, -1
    while place < len(q):
        if place + 1 < len(q) and abs(form[place + 1, place]) > 1e-9:
            angle = alpha * np.arctan2(form[place + 1, place], form[place, place])
            scaled[place : place + 2, place : place + 2] = _plane(angle)
            place += 2
            continue
        if form[place, place] < 0:  # axes turned by pi come in pairs
            if turned < 0:
                turned = place
            else:
                scaled[np.ix_([turned, place], [turned, place])] = _plane(alpha * np.pi)
                turned = -1
        place += 1
    return np.asarray(vectors @ scaled @ vectors.T)


def _plane(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
