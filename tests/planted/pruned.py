"""A part among planted nodes: some vote for it on every crop, some for anything."""

from types import SimpleNamespace

import numpy as np

from filterscope.operators.localization.templates import Found, retrieve
from filterscope.pipeline.methods.localize.edits import Asked
from filterscope.pipeline.methods.localize.retrieved import Retrieved

SIDE = 64


def retrieved(seed: int, *, good: int = 42, wrong: int = 18, crops: int = 60, shots: int = 3) -> Retrieved:
    """Return nodes retrieved for a part that moves; the last `wrong` lie anywhere, nearest to the part on annotated crops."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(20, 44, (crops, 2))
    count = good + wrong
    position = centre[:, None] + rng.normal(0, 3, (count, 2)) + rng.normal(0, 3, (crops, count, 2))
    spread = rng.uniform(8, 56, (crops, wrong, 2))
    spread[:shots] = centre[:shots, None] + rng.normal(0, 2, (shots, wrong, 2))
    # wrong nodes agree on a place, and more closely than those of the part, so that few of them outvote many
    position[:, good:] = spread[:, [0]] + rng.normal(0, 0.5, (crops, wrong, 2))
    heldout = np.arange(crops) >= crops * 2 // 3
    found = Found.of(position.astype(np.float32), rng.uniform(1, 2, (crops, count)).astype(np.float32), ~heldout)
    rows = np.arange(shots)
    parts = SimpleNamespace(
        centre=centre, image=np.arange(crops), annotatable=np.flatnonzero(~heldout), heldout=np.flatnonzero(heldout)
    )
    templates = [(row, retrieve(found, row, centre[row], count, float(SIDE))) for row in rows.tolist()]
    asked = Asked("planted", "bird", "head", "1", shots, 1.0)
    names = [f"1/{unit}/0" for unit in range(count)]
    return Retrieved(asked, parts, found, names, (SIDE, SIDE), rows, templates)
