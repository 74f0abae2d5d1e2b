"""Where the patterns of a template lie on crops, for figures: the annotated one, and held-out ones from best to worst."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from filterscope.operators.and_or.growing import Template
from filterscope.operators.and_or.parsing import vote
from filterscope.operators.and_or.responses import LayerResponses

#: Patterns of each layer that are drawn.
DRAWN = 12


def chosen_parses(score: np.ndarray) -> list[tuple[int, str]]:
    """Return places of the best, second, median and worst of some scores, each once, and what they are called."""
    order = np.argsort(-score, kind="stable").tolist()
    wanted = {"best": 0, "second": 1, "median": len(order) // 2, "worst": len(order) - 1}
    found: dict[int, str] = {}
    for name, at in wanted.items():
        if 0 <= at < len(order):
            found.setdefault(order[at], name)
    return list(found.items())


def place_rows(
    template: Template,
    layers: Sequence[tuple[str, LayerResponses]],
    crop: int,
    shared: Mapping[str, object],
    side: float,
) -> Iterator[dict[str, object]]:
    """Yield for each layer where the strongest patterns that respond lie on a crop, and where they expect the part."""
    votes, score, fired = vote(template, [responses for _, responses in layers], crop, side)
    start = 0
    for (name, _), patterns in zip(layers, template.layers, strict=True):
        mine = slice(start, start + len(patterns.unit))
        start = mine.stop
        order = np.argsort(-score[mine], kind="stable")
        order = order[fired[mine][order]][:DRAWN]
        place, expected = votes[mine][order] - patterns.displacement[order], votes[mine][order]
        yield {
            **shared, "layer": name, "unit": patterns.unit[order].tolist(), "y": place[:, 0].tolist(),
            "x": place[:, 1].tolist(), "vote_y": expected[:, 0].tolist(), "vote_x": expected[:, 1].tolist(),
        }  # fmt: skip


__all__ = ["DRAWN", "chosen_parses", "place_rows"]
