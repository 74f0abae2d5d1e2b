"""Slow twins of attacks, and closed forms where the network is linear."""

import math

import numpy as np


def shortest(image: np.ndarray, weight: np.ndarray, lead: float) -> float:
    """Return the length of the smallest change r with weight . r = lead and image + r in 0..1, one value at a time.

    By the conditions of Kuhn and Tucker r = clip(t weight) for the t at which the lead is used up.
    """
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        total = 0.0
        for value, slope in zip(image.ravel().tolist(), weight.ravel().tolist(), strict=True):
            total += slope * (min(max(value + middle * slope, 0.0), 1.0) - value)
        low, high = (low, middle) if total >= lead else (middle, high)
    changes = (min(max(v + high * s, 0.0), 1.0) - v for v, s in zip(image.ravel(), weight.ravel(), strict=True))
    return math.sqrt(sum(change**2 for change in changes))


def best_pixel(image: np.ndarray, weight: np.ndarray) -> tuple[tuple[int, int], float]:
    """Return the pixel of an image (uint8, height x width x channels) that lowers weight . image most, and by how much."""
    best, place = 0.0, (0, 0)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            gain = 0.0
            for value, slope in zip(image[row, column].tolist(), weight[row, column].tolist(), strict=True):
                gain += max(slope * value, slope * (value - 255))
            if gain > best:
                best, place = gain, (row, column)
    return place, best


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the two shares p from which successes / trials is 1.96 standard errors away, by bisection."""
    z, share = 1.959963984540054, successes / trials

    def beyond(p: float) -> bool:
        return abs(share - p) > z * math.sqrt(p * (1 - p) / trials)

    ends = []
    for border in (0.0, 1.0):
        inside, outside = share, border
        if not beyond(border):
            ends.append(border)
            continue
        for _ in range(80):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
        ends.append(inside)
    return ends[0], ends[1]


def switched(maxima: np.ndarray, under: np.ndarray) -> list[dict[str, float]]:
    """Return what `operators.attacks.switched` does, unit by unit and view by view."""
    rows = []
    for unit in range(maxima.shape[1]):
        values = sorted(maxima[:, unit].tolist())
        level = values[math.ceil(0.75 * (len(values) - 1))]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        triples = [tuple(float(under[kind, view, unit]) for kind in range(3)) for view in range(under.shape[1])]
        changes = [(after - before, noise - before) for before, after, noise in triples]
        n = len(triples)
        rows.append(
            {
                "shift": sum(a for a, _ in changes) / n / deviation if n and deviation else math.nan,
                "size": sum(abs(a) for a, _ in changes) / n / deviation if n and deviation else math.nan,
                "noise_size": sum(abs(b) for _, b in changes) / n / deviation if n and deviation else math.nan,
                "larger": sum(1.0 if abs(a) > abs(b) else 0.5 if abs(a) == abs(b) else 0 for a, b in changes) / n
                if n
                else math.nan,
                "level": level,
                "on": sum(before > level for before, _, _ in triples),
                "off_after": sum(before > level >= after for before, after, _ in triples),
                "off_in_noise": sum(before > level >= noise for before, _, noise in triples),
                "on_after": sum(after > level >= before for before, after, _ in triples),
                "on_in_noise": sum(noise > level >= before for before, _, noise in triples),
            }
        )
    return rows


def most_changed(maxima: np.ndarray, under: np.ndarray, most: int) -> list[list[tuple[int, float, float]]]:
    """For each view, units with their changes after the attack and in noise, in deviations, the most changed first."""
    found = []
    for view in range(under.shape[1]):
        rows = []
        for unit in range(maxima.shape[1]):
            deviation = float(maxima[:, unit].std(dtype=np.float64))
            if deviation > 0:
                before, after, noise = (float(value) for value in under[:, view, unit])
                rows.append((unit, (after - before) / deviation, (noise - before) / deviation))
        found.append(sorted(rows, key=lambda row: -abs(row[1]))[:most])
    return found
