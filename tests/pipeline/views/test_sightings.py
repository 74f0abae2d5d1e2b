"""Landmarks that are seen once are found again; the others are counted by view."""

import numpy as np

from filterscope.pipeline.views.landmarks import ViewLandmarks
from filterscope.pipeline.views.sightings import Sightings
from filterscope.pipeline.views.views import Views


def planted():
    """Four views: a bird's head; a bird's head twice; a bird's head outside and its tail; a cat's head."""
    rows = [(0, 0, 5.0, 6.0), (1, 0, 1.0, 1.0), (1, 0, 2.0, 2.0), (2, 0, 99.0, 1.0), (2, 1, 3.0, 4.0), (3, 0, 7.0, 8.0)]
    view, landmark, x, y = (np.array(column) for column in zip(*rows, strict=True))
    instances = np.array([1, 2, 2, 0, 1, 1], np.int32)
    size = np.arange(12.0).reshape(6, 2)
    size[4] = np.nan
    found = ViewLandmarks(
        ["head", "tail"], view.astype(np.int32), landmark.astype(np.int32), x, y, instances > 0, instances, size
    )
    none, box = np.zeros(4, np.int32), np.zeros((4, 4), np.int32)
    return Sightings.of(Views(none, none, none, none > 0, box, ["bird", "bird", "bird", "cat"], []), found)


def test_strata_are_categories_and_landmarks_that_occur_together():
    sightings = planted()
    assert sightings.strata == [("bird", "head"), ("bird", "tail"), ("cat", "head")]
    assert sightings.repeated.tolist() == [1, 0, 0]
    assert sightings.outside.tolist() == [1, 0, 0]


def test_views_belong_to_the_strata_they_show_once():
    first, stratum = planted().members(np.array([0, 1, 3]))
    assert first.tolist() == [0, 1, 1, 2]
    assert stratum.tolist() == [0, 2]


def test_places_are_looked_up_by_view():
    places = planted().places(0, np.array([[3, 0], [-1, 2]]))
    np.testing.assert_array_equal(places, [[[np.nan, np.nan], [6, 5]], [[np.nan, np.nan], [np.nan, np.nan]]])


def test_sizes_are_looked_up_by_view():
    sightings = planted()
    np.testing.assert_array_equal(sightings.sizes(0, np.array([0, 1, 3])), [[0, 1], [np.nan] * 2, [np.nan] * 2])
    np.testing.assert_array_equal(sightings.sizes(1, np.array([2])), [[np.nan, np.nan]])
    np.testing.assert_array_equal(sightings.sizes(2, np.array([3])), [[10, 11]])
