"""MATLAB structs as Pascal-Part's annotations hold them."""

from typing import Any

import numpy as np


def structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """A MATLAB struct array of shape (1, n)."""
    if not rows:
        return np.zeros((0, 0))
    array = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        for name, value in row.items():
            array[0, place][name] = value
    return array


def thing(category: str, drawn: np.ndarray, **parts: np.ndarray) -> dict[str, Any]:
    rows = [{"part_name": name, "mask": part} for name, part in parts.items()]
    return {"class": category, "class_ind": 1, "mask": drawn, "parts": structs(rows)}
