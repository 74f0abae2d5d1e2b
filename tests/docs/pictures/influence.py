"""A head on two planted classes: what harms one test view, leaving out beside its prediction, and label errors found."""

import numpy as np

from filterscope.operators.influence.head import Data, train
from filterscope.operators.influence.hessian import Hessian
from filterscope.operators.influence.influence import gradients, influence, left_out, self_influence
from filterscope.operators.influence.rehearsal import checked, flipped
from tests.docs.pictures.svg import BLUE, INK, ORANGE, RED, SOFT, TEAL, Plot, Sheet

_COUNT = 120
_SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


def picture():
    """Draw three panels from one head."""
    rng = np.random.default_rng(2)
    true = np.arange(_COUNT + 1) % 2
    x = rng.normal(0, 0.8, (_COUNT + 1, 2)) + np.where(true, 1.0, -1.0)[:, None]
    x[_COUNT] = (-0.9, -0.5)  # the test view, of the first class
    wrong = flipped(true[:_COUNT], np.arange(_COUNT), 2, 0.1, 5)
    data, test = Data.of(x[:_COUNT], wrong, 2), Data.of(x[_COUNT:], true[_COUNT:], 2)
    head = train(data, 0.02)
    hessian = Hessian(data, head, 0.0)
    (found,) = influence(hessian, hessian.solved(gradients(head, test), "exact"))
    sheet = Sheet(
        760, 300, "Views that harm and help a test view, influence beside leaving out, and label errors found"
    )
    _views(sheet, x, wrong, found)
    _left_out(sheet, head, data, test, found)
    _errors(sheet, head, hessian, true[:_COUNT], Data.of(x, true, 2))
    return sheet.svg()


def _views(sheet, x, y, found):
    plot = Plot(sheet, (20, 50, 200, 200), (-3.4, 3.4), (-3.4, 3.4))
    plot.axes()
    sheet.text(20, 30, "one test view", bold=True)
    for (a, b), label in zip(x[:_COUNT], y, strict=True):
        sheet.dot(plot.x(a), plot.y(b), 2.5, fill=BLUE if label == 0 else ORANGE, opacity=0.6)
    order = np.argsort(found)
    for rows, colour in ((order[:5], RED), (order[-5:], TEAL)):
        for row in rows:
            sheet.dot(plot.x(x[row, 0]), plot.y(x[row, 1]), 6, fill="none", stroke=colour, width=2)
    sheet.cross(plot.x(x[_COUNT, 0]), plot.y(x[_COUNT, 1]), 7, INK, 2.5)
    sheet.note(20, 270, "ring red: most harmful; teal: most helpful", "cross: the test view, of the blue class")


def _left_out(sheet, head, data, test, found):
    rows = np.argsort(-np.abs(found))[:40]
    actual = left_out(head, data, test, rows)[0][:, 0]
    far = 1.1 * max(np.abs(found[rows]).max(), np.abs(actual).max())
    plot = Plot(sheet, (285, 50, 190, 200), (-far, far), (-far, far))
    plot.axes()
    sheet.text(285, 30, "change of its loss", bold=True)
    sheet.line(plot.x(-far), plot.y(-far), plot.x(far), plot.y(far), SOFT, dash="4 3")
    for predicted, happened in zip(found[rows], actual, strict=True):
        sheet.dot(plot.x(predicted), plot.y(happened), 3, fill=BLUE, opacity=0.7)
    r = np.corrcoef(found[rows], actual)[0, 1]
    sheet.text(295, 70, f"r = {r:.2f}", bold=True)
    sheet.note(285, 270, "across: predicted by influence", "up: trained without the view")


def _errors(sheet, head, hessian, true, test):
    data = hessian.data
    suspects = self_influence(hessian, np.arange(_COUNT), "exact")
    orders = {
        "self-influence": np.argsort(-suspects, kind="stable"),
        "loss": np.argsort(-head.losses(data), kind="stable"),
        "random": np.random.default_rng(1).permutation(_COUNT),
    }
    rows = checked(head, data, true, orders, _SHARES, test)
    plot = Plot(sheet, (525, 50, 190, 200), (0, 1), (0, 1))
    plot.axes([(v, f"{v:g}") for v in (0, 0.5, 1)])
    sheet.text(525, 30, "wrong labels found", bold=True)
    for number, (name, colour) in enumerate(zip(orders, (RED, BLUE, SOFT), strict=True)):
        points = [(plot.x(row["checked"]), plot.y(row["found"])) for row in rows if row["order"] == name]
        sheet.lines(points, colour, 2.0, dash="5 3" if name == "loss" else None)
        sheet.key(610, 190 + 18 * number, colour, name)
    sheet.note(525, 286, "across: share of the labels checked")
