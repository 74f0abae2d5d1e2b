"""Slow twins of permutations, bootstraps, false-discovery rates and rarefaction."""

from itertools import combinations

import numpy as np

from tests.naive.dissection import dissect, upsample


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


class Judged:
    """One unit against permuted labels and on images that did not choose its label, image by image from the definitions.

    Parameters
    ----------
    maps : ndarray of shape (images, height, width)
        Raw maps of the unit.
    labels : list of dict
        For each image, concept -> mask (bool) with at least one pixel; those of a permutation follow from `givers`.
    category, eligible : list of int
        Category of each concept, and the concepts that may label a unit.
    group, fold : list of int
        Group of each image, and the fold it is in, of `folds`.
    quantile : float
        Probability above the threshold.
    shape : (int, int)
        Of the masks.
    ignored : list of dict, optional
        For each image, concept -> pixels (bool) that are ignored for it; they go with the labels.
    """

    def __init__(self, maps, labels, category, eligible, group, fold, *, folds, quantile, shape, ignored=None):
        self.maps, self.labels, self.category, self.eligible = maps.astype(np.float64), labels, category, eligible
        self.group, self.fold, self.folds, self.quantile = group, fold, folds, quantile
        self.ignored = [{} for _ in labels] if ignored is None else ignored
        self.up = [upsample(image, *shape) for image in self.maps]
        self.all = list(range(len(maps)))
        self.half = [[image for image in self.all if fold[image] % 2 == number] for number in (0, 1)]

    def threshold(self, images):
        """T on some images; infinite on none."""
        values = self.maps[images].ravel()
        return np.quantile(values, 1 - self.quantile, method="inverted_cdf") if values.size else np.inf

    def sums(self, images, threshold, concept, givers):
        """I and the union on some images, each with the labels of its giver."""
        common = union = 0
        for image in images:
            label, above = self.labels[givers[image]], self.up[image] > threshold
            if any(self.category[other] == self.category[concept] for other in label):
                known = ~self.ignored[givers[image]].get(concept, np.zeros_like(above))
                above, mask = above & known, label.get(concept, np.zeros_like(above)) & known
                common, union = common + int((above & mask).sum()), union + int((above | mask).sum())
        return common, union

    def iou(self, images, threshold, concept, givers):
        """IoU on some images, 0 where the union is empty."""
        common, union = self.sums(images, threshold, concept, givers)
        return common / union if union else 0.0

    def choice(self, images, givers):
        """Concept of highest IoU on some images with their own T, the first of equals, and its IoU; -1 if none meets."""
        threshold = self.threshold(images)
        found = [(self.iou(images, threshold, concept, givers), -concept) for concept in self.eligible]
        best, concept = max(found, default=(0.0, 1))
        return (-concept, best) if best > 0 else (-1, 0.0)

    def halves(self, givers):
        """Whether both halves choose the label, and whether it passes 0.04 on the other half both ways."""
        label, _ = self.choice(self.all, givers)
        agree = label >= 0 and all(self.choice(half, givers)[0] == label for half in self.half)
        ways = (self.half, self.half[::-1])
        return agree, agree and all(self.iou(b, self.threshold(a), label, givers) > 0.04 for a, b in ways)

    def left_out(self):
        """For each fold: concept and IoU on the others, the union they let expect, and I, U of each group of the fold."""
        groups = len(set(self.group))
        for number in range(self.folds):
            rest = [image for image in self.all if self.fold[image] != number]
            own = sorted({self.group[image] for image in self.all if self.fold[image] == number})
            share, threshold = len(own) / groups, self.threshold(rest)
            concept, iou = self.choice(rest, self.all)
            if concept < 0:
                yield concept, iou, 0.0, [(0, 0)] * len(own), share
                continue
            expected = self.sums(rest, threshold, concept, self.all)[1] * share / (1 - share) if share < 1 else 0.0
            members = [[image for image in self.all if self.group[image] == name] for name in own]
            yield concept, iou, expected, [self.sums(m, threshold, concept, self.all) for m in members], share

    def findings(self):
        """What the stage `null` keeps of the unit as annotated."""
        label, best = self.choice(self.all, self.all)
        agree, again = self.halves(self.all)
        folds = list(self.left_out())
        held = [fold for fold in folds if fold[4]]  # a fold without groups says nothing
        same = [fold for fold in held if label >= 0 and fold[0] == label]
        met, union = (sum(pair[which] for fold in same for pair in fold[3]) for which in (0, 1))
        threshold, names = self.threshold(self.all), sorted(set(self.group))
        members = [[image for image in self.all if self.group[image] == name] for name in names]
        meets = [self.sums(own, threshold, label, self.all)[0] for own in members] if label >= 0 else [0]
        return {
            "label": label,
            "observed": best,
            "halves_agree": agree,
            "replicates": again,
            "folds_agree": len(same),
            "iou_heldout": met / union if len(same) >= len(held) / 2 and union else np.nan,
            "training_iou": [fold[1] for fold in folds],
            "expected_union": [fold[2] for fold in folds],
            "sums": [[sum(pair[which] for pair in fold[3]) for fold in folds] for which in (0, 1)],
            "products": [[sum(p[a] * p[b] for p in fold[3]) for fold in folds] for a, b in ((0, 0), (0, 1), (1, 1))],
            "effective_groups": sum(meets) ** 2 / sum(m * m for m in meets) if any(meets) else 0.0,
        }


def wilson_ends(successes, trials, z=1.959963984540054):
    """Ends of Wilson's interval: the two shares p with |p - successes / trials| = z sqrt(p (1 - p) / trials)."""
    share = successes / trials
    roots = np.roots([1 + z**2 / trials, -(2 * share + z**2 / trials), share**2])
    return sorted(roots.real.tolist())


def newcombe(first, second):
    """Difference of two shares and its interval, from Wilson's intervals of both (Newcombe's method 10)."""
    (low_1, high_1), (low_2, high_2) = wilson_ends(*first), wilson_ends(*second)
    p, q = first[0] / first[1], second[0] / second[1]
    return (
        q - p,
        q - p - ((q - low_2) ** 2 + (high_1 - p) ** 2) ** 0.5,
        q - p + ((high_2 - q) ** 2 + (p - low_1) ** 2) ** 0.5,
    )


def rank_correlation(x, y):
    """Pearson's correlation of ranks; the rank of a value is how many are smaller, and half of those that equal it."""
    ranks = [[sum((b < a) + (b == a) / 2 for b in side) for a in side] for side in (x, y)]
    means = [sum(side) / len(side) for side in ranks]
    off = [[rank - mean for rank in side] for side, mean in zip(ranks, means, strict=True)]
    products = [sum(a * b for a, b in zip(off[i], off[j], strict=True)) for i, j in ((0, 1), (0, 0), (1, 1))]
    return products[0] / (products[1] * products[2]) ** 0.5
