"""Slow twins of part localisation, one node, pixel and cell at a time."""

import math


def votes(votes, counted, weight, height, width):
    """Return the pixel where most votes come together, None without votes, and their sum there."""
    side = max(height, width)
    reach, fall = max(1, round(side / 20)), 70 / math.sqrt(2) / 224 * side
    best, place = 0.0, None
    for i in range(height):
        for j in range(width):
            total = 0.0
            for node, (y, x) in enumerate(votes):
                away = math.hypot(i - math.floor(y + 0.5), j - math.floor(x + 0.5))
                if counted[node] and away <= reach:
                    total += weight[node] * (math.exp(-away / fall) - math.exp(-reach / fall))
            if total > best + 1e-12:
                best, place = total, (i, j)
    return place, best


def retrieved(position, response, fired, usual, centre, count, side, near):
    """Return the nodes of highest score on an annotated view."""
    scored = []
    for node in range(len(position)):
        if fired[node]:
            far = sum((position[node][a] - usual[node][a]) ** 2 for a in (0, 1))
            off = sum((position[node][a] - centre[a]) ** 2 for a in (0, 1))
            spread = 4 * (70 / 224 * side) ** 2
            scored.append((-(1.5 * response[node] - 0.35 * far / spread - near * off / spread), node))
    return [node for _, node in sorted(scored)[:count]]


def nearest(patch, maps):
    """Return first row, column and cosine of the window of a map most like a patch."""
    rows, columns = len(patch), len(patch[0])
    best = (-2.0, 0, 0)
    for row in range(len(maps) - rows + 1):
        for column in range(len(maps[0]) - columns + 1):
            own = other = product = 0.0
            for i in range(rows):
                for j in range(columns):
                    for a, b in zip(patch[i][j], maps[row + i][column + j], strict=True):
                        own, other, product = own + a * a, other + b * b, product + a * b
            cosine = product / math.sqrt(own * other) if own * other > 0 else 0.0
            if cosine > best[0]:
                best = (cosine, row, column)
    return best[1], best[2], best[0]


def overlap(centre, size, other, other_size):
    """Return the intersection over union of two boxes."""
    sides = [
        max(0.0, min(centre[a] + size[a] / 2, other[a] + other_size[a] / 2)
            - max(centre[a] - size[a] / 2, other[a] - other_size[a] / 2))
        for a in (0, 1)
    ]  # fmt: skip
    common = sides[0] * sides[1]
    return common / (size[0] * size[1] + other_size[0] * other_size[1] - common)


def steadiest(peaks, centre):
    """Return the filter whose maxima keep the steadiest displacement to the part, with its mean."""
    best = None
    for unit in range(len(peaks[0])):
        apart = [(c[0] - shot[unit][0], c[1] - shot[unit][1]) for shot, c in zip(peaks, centre, strict=True)]
        mean = [sum(a[axis] for a in apart) / len(apart) for axis in (0, 1)]
        error = sum((a[0] - mean[0]) ** 2 + (a[1] - mean[1]) ** 2 for a in apart)
        if not math.isnan(error) and (best is None or error < best[0] - 1e-9):
            best = (error, unit, mean)
    return best[1], best[2]


def group(position, score, part, images):
    """Member, mean displacement, its deviation and effective images, of members with 8 of them, the steadiest first."""
    found = []
    for member in range(position.shape[1]):
        values = [max(float(value), 0.0) for value in score[:, member]]
        mean = sum(values) / len(values) or 1.0
        rows = [
            (min(value / mean, 5.0) ** 2, part[view] - position[view, member], images[view])
            for view, value in enumerate(values)
            if not math.isnan(position[view, member, 0])
        ]
        total = sum(weight for weight, *_ in rows)
        if total == 0:
            continue
        by_image: dict[int, float] = {}
        for weight, _, image in rows:
            by_image[image] = by_image.get(image, 0.0) + weight
        rests = total**2 / sum(weight**2 for weight in by_image.values())
        offset = sum(weight * apart for weight, apart, _ in rows) / total
        variance = sum(weight * float(((apart - offset) ** 2).sum()) for weight, apart, _ in rows) / total
        if rests >= 8:
            found.append((member, offset, math.sqrt(variance), rests))
    return sorted(found, key=lambda row: (row[2], row[0]))
