"""Slow twins of permutations, bootstraps, false-discovery rates and rarefaction."""

from itertools import combinations

import numpy as np

from tests.naive.dissection import dissect


def bootstrap_not_better(unit: list[float], baseline: list[float], groups: list[int], weights: np.ndarray) -> int:
    """Count the draws in which a unit's distances vary at least as much as a baseline's; weights (images, draws)."""
    first = [groups.index(group) for group in groups]
    count = 0
    for draw in range(weights.shape[1]):
        times = [int(weights[f, draw]) for f in first]
        drawn = [np.repeat(series, times) for series in (unit, baseline)]
        spread = [((d - d.mean()) ** 2).mean() if len(d) else 0.0 for d in drawn]
        count += spread[0] >= spread[1] - 1e-9
    return count


def permuted_best(
    activated: np.ndarray,
    labels: list[dict[int, np.ndarray]],
    category: list[int],
    eligible: list[int],
    source: list[int],
) -> float:
    """Best IoU of one unit over the eligible concepts, when image i is annotated with the labels of image `source[i]`."""
    given = [labels[number] for number in source]
    return max((dissect(activated, given, category)["iou"][concept] for concept in eligible), default=0.0)


def q_values(observed: list[float], null: list[list[float]]) -> list[float]:
    """Q value of each unit: the smallest share of chance over all cut-offs that it passes; as annotated is one more draw.

    At least the share of draws that would have had as small a q in the observed one's place.
    """
    draws = [observed, *null]

    def share(cutoff: float, draw: list[float]) -> float:
        chance = sum(sum(value >= cutoff for value in other) for other in draws) / len(draws)
        return min(1.0, chance / sum(value >= cutoff for value in draw))

    smallest = [min(share(cutoff, draw) for cutoff in draw) for draw in draws]
    layer = sum(value <= smallest[0] for value in smallest) / len(draws)
    return [max(layer, min(share(cutoff, observed) for cutoff in observed if cutoff <= value)) for value in observed]


def rarefied(labelled, bare, drawn):
    """Mean number of distinct labels over all ways to draw units; `labelled` units each, `bare` without."""
    units = [label for label, count in enumerate(labelled) for _ in range(count)] + [None] * bare
    found = [len({units[i] for i in chosen} - {None}) for chosen in combinations(range(len(units)), drawn)]
    return sum(found) / len(found)
