"""Part graphs as the formulas say, one unit at a time."""

import math

NONE = -3.0


def log_gaussian(a, b, deviation):
    return -((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (4 * deviation**2)


def window(cell, cells, reach):
    for i in range(cell[0] - reach[0], cell[0] + reach[0] + 1):
        for j in range(cell[1] - reach[1], cell[1] + reach[1] + 1):
            if 0 <= i < cells[0] and 0 <= j < cells[1]:
                yield i, j


def usual(responses, reach, spread):
    """Return the sum over views of the best .1 response + log G near each unit, [channel][row][column]."""
    channels, rows, columns = responses.shape[1:]
    found = [[[0.0] * columns for _ in range(rows)] for _ in range(channels)]
    for view in responses:
        for c in range(channels):
            for i in range(rows):
                for j in range(columns):
                    found[c][i][j] += max(
                        0.1 * float(view[c, y, x])
                        - (y - i) ** 2 / (4 * spread[0] ** 2)
                        - (x - j) ** 2 / (4 * spread[1] ** 2)
                        for y, x in window((i, j), (rows, columns), reach)
                    )
    return found


def own_score(response, place, first, deviation, expected, side):
    """Return 1.5 response + .35 log G(moved) + 10 parents."""
    tied = 0.0
    if expected:
        tied = -sum(math.dist(place, one) for one in expected) / len(expected) / (70 / math.sqrt(2) / 224 * side)
    return 1.5 * response + 0.35 * log_gaussian(place, first, deviation) + 10 * tied


def grow(responses, usual_of, places, reach, rows, part, side, upper=None):
    """Return {(channel, mean row, mean column): (score, chosen units)}, the best of each; `upper` holds patterns above."""
    channels, height, width = responses.shape[1:]
    deviation, found = 70 / 224 * side, {}
    middle = [sum(p[a] for p in part) / len(part) for a in (0, 1)]
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                first = places[i][j]
                near = []
                if upper is not None:
                    near = sorted(range(len(upper.place)), key=lambda r: math.dist(upper.place[r], first))[:15]
                total, chosen = 0.0, []
                for shot, row in enumerate(rows):
                    expected = [[upper.found[shot][r][a] + first[a] - upper.place[r][a] for a in (0, 1)] for r in near]
                    options = []
                    for y, x in window((i, j), (height, width), reach):
                        place = places[y][x]
                        value = own_score(float(responses[row, c, y, x]), place, first, deviation, expected, side)
                        options.append((value, (y, x)))
                    best = max(value for value, _ in options)
                    at = next(cell for value, cell in options if value == best)
                    vote = [2 * (places[at[0]][at[1]][a] + middle[a] - first[a]) for a in (0, 1)]
                    total += best + 5 * log_gaussian(vote, [2 * part[shot][a] for a in (0, 1)], deviation)
                    chosen.append(at)
                score = total / len(rows) + 5 * usual_of[c][i][j] + 2 * log_gaussian(first, middle, deviation)
                name = (c, *(math.floor(sum(at[a] for at in chosen) / len(chosen) + 0.5) for a in (0, 1)))
                if name not in found or score > found[name][0]:
                    found[name] = score, chosen
    return found
