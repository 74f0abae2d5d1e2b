"""The And-Or graph of a grid: as many rectangles and cuts as counted by hand, and what a mirror makes of them."""

import networkx
import numpy as np
import pytest

from filterscope.operators.parses.grid import grid_of, mirrored, named


@pytest.mark.parametrize(
    ("k", "rectangles", "cuts"), [(2, 9, 6), (3, 36, 48), (4, 100, 200), (5, 225, 600), (7, 784, 3136)]
)
def test_rectangles_and_cuts_are_as_many_as_the_paper_has(k, rectangles, cuts):
    grid = grid_of(k)
    assert (len(grid.rectangles), len(grid.cuts)) == (rectangles, cuts)
    assert grid.starts[-1] == cuts
    assert grid.cells[-1].all()


def test_a_cut_divides_the_cells_of_its_rectangle_into_two_that_come_before_it():
    grid = grid_of(4)
    for whole, one, other in grid.cuts.tolist():
        assert max(one, other) < whole
        assert not (grid.cells[one] & grid.cells[other]).any()
        assert np.array_equal(grid.cells[one] | grid.cells[other], grid.cells[whole])
    owner = np.repeat(np.arange(len(grid.rectangles)), np.diff(grid.starts))
    assert np.array_equal(owner, grid.cuts[:, 0])


def test_a_mirror_image_of_a_mirror_image_is_the_rectangle():
    grid, turned = grid_of(3), mirrored(3)
    assert np.array_equal(turned[turned], np.arange(36))
    cells = grid.cells.reshape(-1, 3, 3)
    assert np.array_equal(cells[turned], cells[:, :, ::-1])


def test_leaves_are_named_in_reading_order():
    grid = grid_of(3)
    wanted = [[1, 0, 3, 3], [0, 0, 1, 3]]
    leaves = np.array([own in wanted for own in grid.rectangles.tolist()])
    assert named(3, leaves) == "1:1-3 2-3:1-3"


def test_cuts_make_no_circle():
    grid = grid_of(3)
    edges = [(whole, part) for whole, *parts in grid.cuts.tolist() for part in parts]
    assert networkx.is_directed_acyclic_graph(networkx.DiGraph(edges))
