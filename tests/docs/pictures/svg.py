"""A sheet of vector graphics: what the pictures of the methods are drawn with. Lengths are pixels, y runs downwards."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

PAPER, INK, SOFT, RULE, PALE = "#ffffff", "#1d2126", "#5c636b", "#d5d6d1", "#f0f0ec"
BLUE, TEAL, GREEN, ORANGE, RED, VIOLET = "#3f78bf", "#1f938a", "#7b9b2f", "#bf7d24", "#c4525f", "#8b62b8"
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Liberation Sans',sans-serif"


def number(value: float) -> str:
    """Return a coordinate to a tenth of a pixel, which no processor rounds otherwise but by chance."""
    return f"{round(float(value), 1) + 0.0:g}"


def shade(value: float, colour: str = BLUE, ground: str = "#ffffff") -> str:
    """Return a colour between ground (0) and `colour` (1)."""
    share = min(max(float(value), 0.0), 1.0)
    ends = [[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in (ground, colour)]
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in zip(*ends, strict=True))


class Sheet:
    """A white sheet, legible on light and dark pages.

    Parameters
    ----------
    width, height : int
        Its size.
    words : str
        What it shows, for those who cannot see it.
    """

    def __init__(self, width: int, height: int, words: str) -> None:
        self.width, self.height = width, height
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="{FONT}" font-size="13" fill="{INK}">',
            f"<title>{escape(words)}</title>",
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="6" fill="{PAPER}" stroke="{RULE}"/>',
        ]

    def svg(self) -> str:
        """Return the finished file."""
        return "\n".join([*self._parts, "</svg>", ""])

    def _add(self, tag: str, attributes: dict, inside: str = "") -> None:
        texts = ((key.replace("_", "-"), value) for key, value in attributes.items() if value is not None)
        written = (f'{key}="{value if isinstance(value, str) else number(value)}"' for key, value in texts)
        self._parts.append(f"<{tag} {' '.join(written)}" + (f">{inside}</{tag}>" if inside else "/>"))

    def text(self, x, y, words, *, size=13, at="start", colour=INK, bold=False, turn=0):
        """Write a line of words; (x, y) is where its base line starts, or ends, or has its middle."""
        turned = f"rotate({turn} {number(x)} {number(y)})" if turn else None
        look = {"font_size": size if size != 13 else None, "text_anchor": at if at != "start" else None}
        look |= {"fill": colour if colour != INK else None, "font_weight": "600" if bold else None, "transform": turned}
        self._add("text", {"x": x, "y": y, **look}, escape(words))

    def note(self, x, y, *lines, at="start", size=12, colour=SOFT):
        """Write lines of quiet words below each other."""
        for row, words in enumerate(lines):
            self.text(x, y + row * (size + 4), words, size=size, at=at, colour=colour)

    def line(self, x0, y0, x1, y1, colour=SOFT, width=1.0, *, dash=None, arrow=False):
        """Draw a line, dashed as `dash` says, with an arrow at its end if asked for."""
        ends = {"x1": x0, "y1": y0, "x2": x1, "y2": y1}
        self._add("line", {**ends, "stroke": colour, "stroke_width": width, "stroke_dasharray": dash})
        if arrow:
            along = np.array([x1 - x0, y1 - y0], float)
            along /= max(np.hypot(*along), 1e-9)
            back, aside = np.array([x1, y1]) - 7 * along, 3.5 * np.array([-along[1], along[0]])
            self.polygon([(x1, y1), back + aside, back - aside], fill=colour)

    def lines(self, points: Sequence, colour=SOFT, width=1.5, *, dash=None):
        """Draw a line through points (x, y)."""
        self._add("polyline", {"points": _points(points), "fill": "none", "stroke": colour, "stroke_width": width,
                               "stroke_linejoin": "round", "stroke_dasharray": dash})  # fmt: skip

    def polygon(self, points: Sequence, *, fill="none", stroke=None, width=1.0, opacity=None):
        """Draw a closed polygon through points (x, y)."""
        look = {"fill": fill, "stroke": stroke, "stroke_width": width if stroke else None, "fill_opacity": opacity}
        self._add("polygon", {"points": _points(points), **look})

    def region(self, polygons: Sequence, x, y, side, *, fill="none", stroke=None, width=1.5, opacity=None):
        """Draw polygons of [0, 1] in a square, as `operators.images.outline` gives them; holes stay empty."""
        path = "".join("M" + "L".join(f"{number(x + side * a)} {number(y + side * b)}" for a, b in points) + "Z"
                       for points in polygons)  # fmt: skip
        look = {"fill": fill, "fill_rule": "evenodd", "stroke": stroke, "stroke_width": width if stroke else None}
        self._add("path", {"d": path, **look, "fill_opacity": opacity})

    def box(self, x, y, width, height, *, fill="none", stroke=None, line=1.0, dash=None, opacity=None):
        """Draw a rectangle."""
        look = {"fill": fill, "stroke": stroke, "stroke_width": line if stroke else None, "stroke_dasharray": dash}
        self._add("rect", {"x": x, "y": y, "width": width, "height": height, **look, "fill_opacity": opacity})

    def dot(self, x, y, radius=3.5, *, fill=BLUE, stroke=None, width=1.5, opacity=None):
        """Draw a circle."""
        look = {"fill": fill, "stroke": stroke, "stroke_width": width if stroke else None, "fill_opacity": opacity}
        self._add("circle", {"cx": x, "cy": y, "r": radius, **look})

    def cross(self, x, y, reach=5, colour=INK, width=2.0):
        """Draw an upright cross."""
        self.line(x - reach, y, x + reach, y, colour, width)
        self.line(x, y - reach, x, y + reach, colour, width)

    def cells(self, x, y, side, values: np.ndarray, colours: Sequence[str] | None = None):
        """Draw a map in a square, a cell per value: 0 white, 1 blue, or as `colours` says, row by row."""
        rows, columns = values.shape
        wide, high = side / columns, side / rows
        colours = colours or [shade(value) for value in values.ravel()]
        for place, colour in enumerate(colours):
            row, column = divmod(place, columns)
            self.box(x + column * wide, y + row * high, wide, high, fill=colour, stroke=RULE, line=0.5)

    def image(self, x, y, side, rgb: np.ndarray):
        """Show pixels (rows, columns, 3), uint8, in a square."""
        file = io.BytesIO()
        Image.fromarray(rgb).quantize(64).save(file, "PNG", optimize=True)
        data = base64.b64encode(file.getvalue()).decode()
        place = {"x": x, "y": y, "width": side, "height": side, "preserveAspectRatio": "none"}
        self._add("image", {**place, "href": f"data:image/png;base64,{data}"})

    def key(self, x, y, colour, words, *, hollow=False):
        """Write what a colour stands for."""
        self.box(x, y - 9, 10, 10, fill="none" if hollow else colour, stroke=colour, line=1.5)
        self.text(x + 16, y, words, size=12)


class Plot:
    """A frame of a sheet in which data have places.

    Parameters
    ----------
    sheet : Sheet
        Drawn on.
    place : (x, y, width, height)
        The frame.
    x, y : (float, float)
        Data at its left and right, and at its bottom and top.
    """

    def __init__(self, sheet: Sheet, place: Sequence, x: Sequence, y: Sequence) -> None:
        self.sheet, self.place, self._x, self._y = sheet, place, x, y

    def x(self, value):
        """Return where a value lies across."""
        return self.place[0] + (value - self._x[0]) / (self._x[1] - self._x[0]) * self.place[2]

    def y(self, value):
        """Return where a value lies downwards."""
        return self.place[1] + (self._y[1] - value) / (self._y[1] - self._y[0]) * self.place[3]

    def points(self, x: Sequence, y: Sequence) -> list:
        """Return the places of data."""
        return [(self.x(a), self.y(b)) for a, b in zip(x, y, strict=True)]

    def axes(self, across: Sequence = (), up: Sequence = (), names: tuple[str, str] = ("", "")):
        """Draw the axes, with ticks at pairs (value, words) and their names."""
        left, top, width, height = self.place
        bottom = top + height
        for value, words in up:
            self.sheet.line(left, self.y(value), left + width, self.y(value), PALE)
            self.sheet.text(left - 6, self.y(value) + 4, words, size=11, at="end", colour=SOFT)
        for value, words in across:
            self.sheet.line(self.x(value), bottom, self.x(value), bottom + 4)
            self.sheet.text(self.x(value), bottom + 16, words, size=11, at="middle", colour=SOFT)
        self.sheet.line(left, bottom, left + width, bottom)
        self.sheet.text(left + width, bottom + 32, names[0], size=12, at="end", colour=SOFT)
        self.sheet.text(left, top - 8, names[1], size=12, colour=SOFT)


def _points(points: Sequence) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)
