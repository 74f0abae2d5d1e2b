"""Rows about blind spots: thousands of clusters on 100,000 views, from a tenth of both."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from filterscope.operators.blind_spots.axes import along_axes
from filterscope.operators.blind_spots.discovery import POLICIES, found
from filterscope.pipeline.methods.blind_spots.features import Features
from filterscope.pipeline.methods.blind_spots.partition import clustered, described
from tests.bench.row import Row

_VIEWS, _UNITS, _FEATURES = 10_000, 512, 64
#: How many times more views the row is about; clusters are a twentieth of the views, so that there are as many times more.
_TIMES = 10


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def blind_spots_of_100000() -> Iterator[Row]:
    """Extrapolate from 10,000 views and 500 clusters: k-means grows with the product of both, all else with the views."""
    rng = np.random.default_rng(0)
    maxima = rng.gamma(1, 1, (_VIEWS, _UNITS)).astype(np.float32)
    features = Features(
        tuple(map(str, range(_FEATURES))), rng.random((_VIEWS, _FEATURES)) < rng.uniform(0, 0.5, _FEATURES)
    )
    confidence = rng.uniform(0.65, 1, _VIEWS)
    points = along_axes(maxima)
    clustered(points[:100], None, 0), described(features, confidence, 0.65, 0.2)  # compile
    one = _seconds(lambda: along_axes(maxima))
    many = _seconds(lambda: clustered(points, None, 0))
    patterns = _seconds(lambda: described(features, confidence, 0.65, 0.05))
    label, wrong = clustered(points, None, 0).label, rng.random(_VIEWS) < 0.05
    asked = _seconds(lambda: [found(policy, label, wrong, confidence, 150, range(20)) for policy in POLICIES])
    minutes = (one * _TIMES + many * _TIMES**2 + patterns * _TIMES + asked * _TIMES) / 60
    peer = f"of 10,000: axes {one:.1f} s, 500 clusters {many:.1f} s, patterns {patterns:.1f} s, policies {asked:.1f} s"
    yield Row("blind_spots_of_100000", minutes, "min, extrapolated", peer, minutes / 10, "<= 1")
