"""The verb `edit`: a page on which a person keeps or removes the nodes that were retrieved for a part.

It shows images that the graph was learned from, and votes on the annotated crops alone: never what the part is looked for on.
"""

import io
import math
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.jobs.findings.edit import asked_of
from filterscope.jobs.report.questions import MOST, Choice, Question, Sheet, check_page, inlined, write_questions
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.operators.explanatory_graph.heat import heat_map
from filterscope.operators.localization.templates import NONE, RESPONSE, Template
from filterscope.operators.localization.voting import FALL, REACH
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.graph.dictionary import field_box, view_pixels
from filterscope.pipeline.methods.graph.rows import read_nodes
from filterscope.pipeline.methods.localize.edits import KEEP, REMOVE, UNSURE
from filterscope.pipeline.methods.localize.retrieved import Retrieved
from filterscope.pipeline.methods.localize.trial import NODE_SHARPNESS
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel

_CHOICES = Choice(KEEP, "Keep", "k"), Choice(REMOVE, "Remove", "r"), Choice(UNSURE, "Unsure", "u")
#: Side of a piece of a picture, in pixels; pieces of a row, and patches of a node.
_TILE, _ACROSS, _PATCHES = 170, 3, 6


def write_edit_page(run: str | Path, part: str, page: Path | None = None, **asked: Any) -> Path:
    """Write a page on which a person decides on every node that is retrieved for a part.

    Parameters
    ----------
    run : path
        A run with explanatory graphs.
    part : str
        Landmark whose nodes are shown.
    page : path, optional
        An HTML file; unset: in the run's folder ``pages``, from which `filterscope serve` serves it.
    **asked
        category, model, layers, shots, share, draw; see `jobs.findings.edit.asked_of`.

    Raises
    ------
    InputError
        If the run has no such part, its images are not there, there are too many nodes, or the page cannot be there.
    """
    folder = RunFolder.existing(run)
    plan = folder.plan()
    question = asked_of(plan, part, **asked)
    model = plan.model(question.model)
    fingerprint = question.fingerprint(plan, model, Stages(plan).prints)
    page = page or folder.path / "pages" / f"edit-{fingerprint}.html"
    check_page(page, 1)
    if not images_at_hand(plan):
        raise InputError(f"the page shows images, and the data set {plan.data} is not there; put it back")
    retrieved = Retrieved.of(plan, model, question)
    if len(retrieved.nodes) > MOST:
        raise InputError(
            f"{len(retrieved.nodes):,} nodes are retrieved, and a page holds {MOST:,} at most; lower --share or --shots"
        )
    pictures = _Pictures(plan, model, retrieved)
    about = f"{question.part} of {question.category}"
    sheet = Sheet(
        fingerprint,
        f"Nodes for the {about}, {model.name}",
        f"Keep the nodes that find the {about}, remove those that find something else. Decisions stay in this browser until "
        "you download them. A node that you are unsure of is kept.",
        _CHOICES,
        (),
        "edits.json",
        f"filterscope apply {shlex.quote(str(run))} edits.json",
    )
    head = {"format": "filterscope edits 1", "run": folder.path.name, "fingerprint": fingerprint, **asdict(question)}
    more = {"edits": head, "votes": _votes(retrieved, pictures)}
    write_questions(page, sheet, [pictures.question(node) for node in retrieved.nodes.tolist()], more, ("edit.js",))
    return page


def _votes(retrieved: Retrieved, pictures: "_Pictures") -> dict[str, Any]:
    """Return what the page needs to find the part on each annotated crop by the templates of the others."""
    side = max(retrieved.extent)
    crops = [
        {
            "picture": inlined(_webp(pictures.pixels[row])),
            "centre": retrieved.parts.centre[row].round(2).tolist(),
            "templates": [_template(retrieved, one, row) for of, one in retrieved.templates if of != row],
        }
        for row in retrieved.annotated.tolist()
    ]
    return {
        "extent": list(retrieved.extent), "reach": max(1, round(REACH * side)), "fall": FALL * side,
        "diagonal": math.hypot(*retrieved.extent), "sharpness": NODE_SHARPNESS, "remove": REMOVE, "crops": crops,
    }  # fmt: skip


def _template(retrieved: Retrieved, template: Template, row: int) -> dict[str, Any]:
    """Return votes of a template's nodes on a crop, as whole pixels, null where a node found nothing, and their scores."""
    found, nodes = retrieved.found, template.nodes
    votes = np.floor(found.position[row, nodes] + template.displacement + 0.5).astype(int).tolist()
    fired = found.fired[row, nodes]
    score = np.where(fired, RESPONSE * found.response[row, nodes].astype(np.float64), NONE)
    return {
        "nodes": [retrieved.names[node] for node in nodes.tolist()],
        "votes": [vote if hit else None for vote, hit in zip(votes, fired, strict=True)],
        "scores": score.round(5).tolist(),
        "centre": template.centre.round(3).tolist(),
    }


class _Pictures:
    """What is shown of nodes."""

    def __init__(self, plan: Plan, model: PlannedModel, retrieved: Retrieved) -> None:
        self._of = retrieved
        self._fields = {layer.name: layer.field.size for layer in model.layers if layer.field}
        self._deformation = _deformations(plan, model, retrieved)
        parts = retrieved.parts
        shown = np.flatnonzero(~parts.views.heldout & ~parts.views.flip)
        score = np.where(retrieved.found.fired[shown], retrieved.found.response[shown], -np.inf)
        order = np.argsort(-score[:, retrieved.nodes], axis=0, kind="stable")[:_PATCHES]
        self._top = {
            node: [int(shown[row]) for row in order[:, at] if np.isfinite(score[row, node])]
            for at, node in enumerate(retrieved.nodes.tolist())
        }
        rows = sorted({*retrieved.annotated.tolist(), *(row for own in self._top.values() for row in own)})
        found = view_pixels(plan, model, parts.views.view[rows].tolist())
        self.pixels = dict(zip(rows, found, strict=True))

    def question(self, node: int) -> Question:
        """Return a node as a question: where it lies on annotated crops, and its strongest patches."""
        name = self._of.names[node]
        layer, unit, number = name.rsplit("/", 2)
        templates = sum(node in one.nodes for _, one in self._of.templates)
        facts = (
            ("layer", layer),
            ("filter", unit),
            ("node", number),
            ("retrieved by", f"{templates} of {len(self._of.templates)} templates"),
        )
        pieces = [self._heat(node, row) for row in self._of.annotated[:_ACROSS].tolist()]
        pieces += [_blank() for _ in range(_ACROSS - len(pieces))]
        pieces += [self._patch(node, layer, row) for row in self._top[node]]
        sheet = _sheet(pieces)
        note = (
            "First row: where the node lies on annotated crops. Below: its strongest patches, of images to learn from."
        )
        part = self._of.asked.part
        size = sheet.shape[1], sheet.shape[0]
        return Question(name, f"Does this node find the {part}?", facts, _webp(sheet), size, (), note, ())

    def _heat(self, node: int, row: int) -> np.ndarray:
        """Return a crop, dark but for where a node lies on it."""
        position = self._of.found.position[row, [node]].astype(np.float64)
        fired = self._of.found.fired[row, [node]].astype(np.float64)
        wide = np.array([max(self._deformation[node], 4.0)])
        lit = 0.35 + 0.65 * heat_map(position, fired, wide, self._of.extent, 1.0)
        return _resized((self.pixels[row] * lit[..., None]).astype(np.uint8))

    def _patch(self, node: int, layer: str, row: int) -> np.ndarray:
        y, x = self._of.found.position[row, node].tolist()
        y0, x0, y1, x1 = field_box((y, x), self._fields[layer], self._of.extent)
        return _resized(self.pixels[row][y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])


def _deformations(plan: Plan, model: PlannedModel, retrieved: Retrieved) -> np.ndarray:
    """Return the deformation of every node, in pixels."""
    layers = retrieved.asked.layers.split(",")
    tables = (read_nodes(plan.run, model.name, layer, retrieved.parts.views.name) for layer in layers)
    return np.concatenate([nodes["deformation"].to_numpy() for nodes in tables])


def _blank() -> np.ndarray:
    return np.full((_TILE, _TILE, 3), 128, np.uint8)


def _resized(pixels: np.ndarray) -> np.ndarray:
    """Return a picture of `_TILE` pixels, its longer side filled, grey around."""
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = _TILE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    tile = _blank()
    top, left = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def _sheet(pieces: list[np.ndarray]) -> np.ndarray:
    """Return pieces side by side in rows of `_ACROSS`."""
    pieces = pieces + [_blank() for _ in range(-len(pieces) % _ACROSS)]
    rows = [np.concatenate(pieces[at : at + _ACROSS], axis=1) for at in range(0, len(pieces), _ACROSS)]
    return np.concatenate(rows)


def _webp(pixels: np.ndarray) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "WEBP", quality=75, method=2)
    return sink.getvalue()


__all__ = ["write_edit_page"]
