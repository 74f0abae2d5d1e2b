"""Explanatory graphs learned from planted parts."""

import numpy as np

from filterscope.operators.explanatory_graph.candidates import rank_candidates
from filterscope.operators.explanatory_graph.edges import Candidates
from filterscope.operators.explanatory_graph.entities import entities_of, grid_of
from filterscope.operators.explanatory_graph.learning import learn
from filterscope.operators.explanatory_graph.settings import Settings, largest_deformation, nodes_per_filter
from filterscope.operators.explanatory_graph.survival import merge_nodes, peak_shares, strongest_peaks
from tests.planted.parts import EXTENT, planted_layer, planted_parts


def learned_layers(seed, *, images=80, mode="paper", filters=3, noisy=3):
    """Learn a graph of two layers from planted parts; yield what each filter found."""
    parts, learning = planted_parts(images, seed), np.ones(images, bool)
    candidates = None
    for cells in (14, 28):
        layer = planted_layer(parts, cells, filters, noisy, seed)
        grid = grid_of((cells, cells), EXTENT, layer.centre, layer.stride)
        largest, gathered = largest_deformation(cells, cells, layer.stride[0]), []
        for unit, mix in enumerate(layer.mixes):
            maps = layer.maps[:, unit]
            count = nodes_per_filter(cells, cells)
            found = learn(
                entities_of(maps, 1.0, grid),
                grid,
                EXTENT,
                count,
                largest,
                seed + unit,
                learning,
                candidates,
                Settings(mode),
            )
            nodes = found.nodes
            into = merge_nodes(found.position, found.score, nodes.deformation, found.sums.recorded)
            shape = cells, cells
            share, chance = peak_shares(
                *strongest_peaks(maps), shape, layer.centre, layer.stride, found.centres.place, nodes.deformation, unit
            )
            kept = np.flatnonzero(into == np.arange(len(into)))
            survivors = kept[share[kept] > chance[kept]]
            gathered.append((found, kept))
            yield layer, parts, unit, mix, found, kept, survivors
        position = np.concatenate([f.position[:, k] for f, k in gathered], axis=1)
        recorded = np.concatenate([f.sums.recorded[k] for f, k in gathered])
        sigma = np.concatenate([f.nodes.deformation[k] for f, k in gathered])
        ranked = rank_candidates(recorded, position.var(axis=0).sum(axis=1), position.mean(axis=0), EXTENT)
        candidates = Candidates(position[:, ranked], sigma[ranked], learning)
