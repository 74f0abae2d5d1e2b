"""Slow twins of what units tell of attributes."""

from fractions import Fraction


def auc(responses: list[float], values: list[int]) -> Fraction:
    """Share of pairs, one with the attribute and one without, of which the first is larger; ties count half."""
    positive = [r for r, value in zip(responses, values, strict=True) if value == 1]
    negative = [r for r, value in zip(responses, values, strict=True) if value == 0]
    if not positive or not negative:
        return Fraction(1, 2)
    twice = sum(2 * (p > n) + (p == n) for p in positive for n in negative)
    return Fraction(twice, 2 * len(positive) * len(negative))


def d_prime(responses: list[float], values: list[int]) -> float | None:
    """Difference of the means over the root of the mean of the variances; None where that has no meaning."""
    kinds = [[Fraction(r) for r, value in zip(responses, values, strict=True) if value == kind] for kind in (0, 1)]
    if not all(kinds):
        return None
    mean = [sum(kind) / len(kind) for kind in kinds]
    variance = [sum((r - m) ** 2 for r in kind) / len(kind) for kind, m in zip(kinds, mean, strict=True)]
    return None if not sum(variance) else float(mean[1] - mean[0]) / (float(sum(variance)) / 2) ** 0.5


def score(responses: list[float], values: list[int]) -> float:
    """|AUC - 1/2| over its standard deviation, by the midranks of all known images: their variance as it is."""
    known = [r for r, value in zip(responses, values, strict=True) if value >= 0]
    n, positive = len(known), sum(value == 1 for value in values)
    if not 0 < positive < n or len(set(known)) == 1:
        return 0.0
    ranks = [Fraction(sum(o < r for o in known)) + Fraction(sum(o == r for o in known) + 1, 2) for r in known]
    mean = sum(ranks) / n
    spread = sum((r - mean) ** 2 for r in ranks) / n
    # the sum of `positive` ranks drawn without replacement
    variance = positive * spread * Fraction(n - positive, n - 1)
    return float(abs(auc(responses, values) - Fraction(1, 2))) * positive * (n - positive) / float(variance) ** 0.5


def strongest(responses: list[list[float]], axis: list[float], group: list[int], top: int) -> list[int]:
    """Images of the largest projections, one of each group at most; of equal ones the earlier."""
    projected = [sum(Fraction(a) * Fraction(r) for a, r in zip(axis, row, strict=True)) for row in responses]
    found: list[int] = []
    for image in sorted(range(len(group)), key=lambda image: (-projected[image], image)):
        if len(found) < top and group[image] not in [group[other] for other in found]:
            found.append(image)
    return found


def purity(labels: list[int]) -> Fraction:
    """Share of the most frequent label."""
    return Fraction(max(labels.count(label) for label in labels), len(labels))


def coherence(features: list[list[float]], chosen: list[int]) -> float:
    """Mean cosine over pairs of different images, of features less their mean over all."""
    mean = [sum(column) / len(features) for column in zip(*features, strict=True)]
    away = [[value - middle for value, middle in zip(row, mean, strict=True)] for row in features]
    total, pairs = 0.0, 0
    for place, one in enumerate(chosen):
        for other in chosen[place + 1 :]:
            lengths = [sum(value**2 for value in away[image]) ** 0.5 for image in (one, other)]
            inner = sum(a * b for a, b in zip(away[one], away[other], strict=True))
            total += inner / (lengths[0] * lengths[1]) if all(lengths) else 0.0
            pairs += 1
    return total / pairs
