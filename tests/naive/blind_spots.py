"""Slow twins of partitions and of the policies that ask about their members."""

import math
from itertools import combinations

import numpy as np


def frequent(items: np.ndarray, least: int) -> dict[tuple[int, ...], int]:
    """Every conjunction of one to three columns that enough rows meet, and how many do."""
    found = {}
    for length in (1, 2, 3):
        for pattern in combinations(range(items.shape[1]), length):
            views = sum(all(row[feature] for feature in pattern) for row in items)
            if views >= least:
                found[pattern] = views
    return found


def cost(items: np.ndarray, pattern: tuple[int, ...], features: int, confidence: np.ndarray) -> float:
    """What each view of a pattern costs, pair by pair."""
    meets = [all(row[feature] for feature in pattern) for row in items]
    members = [view for view, met in enumerate(meets) if met]
    others = [view for view, met in enumerate(meets) if not met]

    def differing(pairs):
        shares = [sum(items[a][f] != items[b][f] for f in range(features)) / max(features, 1) for a, b in pairs]
        return sum(shares) / len(shares) if shares else 0.0

    def apart(pairs):
        squares = [(confidence[a] - confidence[b]) ** 2 for a, b in pairs]
        return sum(squares) / len(squares) if squares else 0.0

    within, between = [(a, b) for a in members for b in members], [(a, b) for a in members for b in others]
    return (
        differing(within)
        + (1 - differing(between))
        + apart(within)
        + (1 - apart(between))
        + len(pattern) / max(features, 1)
    )


def cover(items, patterns, cost_of_view, least):
    """Cover rows greedily; the chosen patterns and the place among these of the first that each row meets."""
    left, chosen, partition = set(range(len(items))), [], [None] * len(items)
    meets = [{view for view in left if all(items[view][feature] for feature in pattern)} for pattern in patterns]
    while True:
        ratios = [
            (cost_of_view[number] * len(views) / len(views & left), number)
            for number, views in enumerate(meets)
            if len(views & left) >= max(least, 1)
        ]
        if not ratios:
            break
        best = min(ratios)[1]
        for view in meets[best] & left:
            partition[view] = len(chosen)
        left -= meets[best]
        chosen.append(best)
    return chosen, [len(chosen) if place is None else place for place in partition]


def purity(labels: list[int]) -> tuple[float, float]:
    """Share of the commonest label, and entropy in bits."""
    shares = [labels.count(label) / len(labels) for label in sorted(set(labels))]
    return max(shares), sum(-share * math.log2(share) for share in shares)


def arm_values(policy: str, pulls: list[tuple[int, int]], left: int, time: int) -> float:
    """What an arm is worth; `pulls` holds what each found and the members left before it."""
    weights = [left / then if policy == "uub" else 1.0 for _, then in pulls]
    mean = sum(weight * found for weight, (found, _) in zip(weights, pulls, strict=True)) / sum(weights)
    return mean + (math.sqrt(2 * math.log(time) / sum(weights)) if policy in ("uub", "ucb1") else 0.0)


def assign(points: np.ndarray, centres: np.ndarray) -> list[int]:
    """The nearest centre of every point, the first of equals."""
    return [min(range(len(centres)), key=lambda c: (math.dist(point, centres[c]), c)) for point in points]


def overrepresented(inside: int, size: int, having: int, count: int) -> float:
    """Probability that `size` of `count` views drawn without replacement hold at least `inside` of those `having`."""
    ways = sum(math.comb(having, k) * math.comb(count - having, size - k) for k in range(inside, min(having, size) + 1))
    return ways / math.comb(count, size)
