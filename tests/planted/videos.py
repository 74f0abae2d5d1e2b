"""Drawn photographs and the frames of drawn videos, for what must tell one from the other; RGB, the same for one seed."""

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter

#: Height and width of a frame.
HEIGHT, WIDTH = 96, 128


def scene(rng: np.random.Generator, height: int = 2 * HEIGHT, width: int = 2 * WIDTH, shapes: int = 25) -> Image.Image:
    """Draw a place: a ground that is brighter on one side, and ellipses and boxes of all sizes on it."""
    low, high = rng.integers(0, 256, (2, 3))
    slope = np.linspace(0, 1, height)[:, None, None] * rng.random() + np.linspace(0, 1, width)[:, None] * rng.random()
    image = Image.fromarray(np.clip(low + slope * (high - low), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(shapes):
        _shape(draw, rng, rng.uniform(0, width), rng.uniform(0, height), height * rng.uniform(0.03, 0.25))
    return image


def _shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator, x: float, y: float, size: float) -> None:
    tall = size * rng.uniform(0.4, 2)
    outline = draw.ellipse if rng.random() < 0.5 else draw.rectangle
    outline((x - size, y - tall, x + size, y + tall), fill=tuple(rng.integers(0, 256, 3).tolist()))


def view(
    place: Image.Image,
    x: float,
    y: float,
    *,
    scale: float = 1,
    angle: float = 0,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> np.ndarray:
    """Return what a camera sees of a place: centred at (x, y), `scale` pixels of the place per pixel, turned by degrees."""
    height, width = size
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    matrix = (c, -s, x - c * width / 2 + s * height / 2, s, c, y - s * width / 2 - c * height / 2)
    return np.asarray(place.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def _central(rng: np.random.Generator, place: Image.Image, jitter: float, **turned: float) -> np.ndarray:
    dx, dy = rng.uniform(-jitter, jitter, 2)
    return view(place, WIDTH + dx, HEIGHT + dy, **turned)


def disturbed(frame: np.ndarray, rng: np.random.Generator, noise: float, light: float) -> np.ndarray:
    """Add noise of a standard deviation in grey levels and change the brightness by at most a share."""
    return np.clip(frame * rng.uniform(1 - light, 1 + light) + rng.normal(0, noise, frame.shape), 0, 255).astype(
        np.uint8
    )


def independent(images: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield photographs, each of a place of its own."""
    rng = np.random.default_rng(seed)
    for _ in range(images):
        yield _central(rng, scene(rng), 0)


def shaken(
    scenes: int = 6, frames: int = 50, *, jitter: float = 3, noise: float = 0, light: float = 0, seed: int = 0
) -> Iterator[np.ndarray]:
    """Yield frames of a camera in an unsteady hand: each differs from the last by a few pixels."""
    rng = np.random.default_rng(seed)
    for _ in range(scenes):
        place = scene(rng)
        for _ in range(frames):
            yield disturbed(_central(rng, place, jitter), rng, noise, light)


def panned(frames: int = 100, *, step: float = 4, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield frames of a camera that turns along one wide place, `step` pixels per frame."""
    rng = np.random.default_rng(seed)
    length = int(frames * step) + WIDTH
    place = scene(rng, HEIGHT, length, shapes=25 * length // (2 * WIDTH))
    for frame in range(frames):
        yield view(place, WIDTH / 2 + frame * step, HEIGHT / 2)


def driven(frames: int = 100, *, step: float = 0.3, streets: int = 1, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield what a car's camera sees: sky, road and what stands beside it, which grows; `step` is the way per frame."""
    rng = np.random.default_rng(seed)
    for _ in range(streets):
        depths = np.arange(frames * step + 40, 0.5, -0.5)
        sides, tints = rng.choice((-1.0, 1.0), len(depths)), rng.integers(0, 256, (len(depths), 3))
        widths, heights = rng.uniform(0.3, 2, len(depths)), rng.uniform(0.3, 3, len(depths))
        sky, road = (tuple(tint) for tint in rng.integers((150, 60), (256, 120), (3, 2)).T.tolist())
        for frame in range(frames):
            image = Image.new("RGB", (WIDTH, HEIGHT), sky)
            draw = ImageDraw.Draw(image)
            draw.rectangle((0, HEIGHT // 2, WIDTH, HEIGHT), fill=road)
            for depth, side, tint, wide, tall in zip(depths - frame * step, sides, tints, widths, heights, strict=True):
                if 0.5 < depth < 40:
                    x, per = WIDTH / 2 + side * WIDTH * (1 + wide) / depth, WIDTH / depth
                    top, foot = HEIGHT / 2 - tall * per, HEIGHT / 2 + per
                    draw.rectangle((x - wide * per, top, x + wide * per, foot), fill=tuple(tint.tolist()))
            yield np.asarray(image)


def watched(frames: int = 100, *, movers: int = 4, noise: float = 4, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield frames of a camera that stands still; things come by, each at a speed of its own."""
    rng = np.random.default_rng(seed)
    ground = view(scene(rng), WIDTH, HEIGHT)
    starts, speeds = rng.uniform(0, WIDTH, movers), rng.uniform(3, 12, movers)
    heights, tints = rng.uniform(0.3, 0.9, movers) * HEIGHT, rng.integers(0, 256, (movers, 3))
    for frame in range(frames):
        image = Image.fromarray(ground)
        draw = ImageDraw.Draw(image)
        for x, y, tint in zip((starts + frame * speeds) % (WIDTH + 20) - 10, heights, tints, strict=True):
            draw.rectangle((x - 7, y - 9, x + 7, y + 9), fill=tuple(tint.tolist()))
        yield disturbed(np.asarray(image), rng, noise, 0)


def bursts(places: int = 30, *, least: int = 3, most: int = 5, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield photographs of each of many things from 3 to 5 slightly different viewpoints."""
    rng = np.random.default_rng(seed)
    for _ in range(places):
        place = scene(rng)
        for _ in range(rng.integers(least, most + 1)):
            frame = _central(rng, place, 5, scale=rng.uniform(0.93, 1.07), angle=rng.uniform(-5, 5))
            yield disturbed(frame, rng, 4, 0.15)


def interleaved(*videos: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the frames of several cameras in turns, as names sorted by time mix them."""
    return chain.from_iterable(zip(*videos, strict=True))


def write_video(
    folder: Path, frames: Iterable[np.ndarray], group_of: Callable[[str], str | None] | None = None
) -> Dataset:
    """Write frames, numbered, as a data set of JPEG files; the left half of each is labelled."""
    with DatasetWriter(folder, source={"reader": "planted"}, group_of=group_of) as out:
        concept = out.concept("frame", "object")
        for number, frame in enumerate(frames):
            file = BytesIO()
            Image.fromarray(frame).save(file, "JPEG", quality=90)
            image = out.drawn(file.getvalue(), *frame.shape[:2], name=f"{number:05}.jpg")
            out.segment(image, concept, np.indices(frame.shape[:2])[1] < frame.shape[1] // 2)
    return Dataset(folder)


def write_scenes(folder: Path, frames: Iterable[np.ndarray], length: int, concepts: int = 6, seed: int = 0) -> None:
    """Write frames of scenes, `length` each, whose masks are boxes at random: the same in all frames of a scene."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        numbers = [out.concept(f"box {concept}", "object") for concept in range(concepts)]
        masks = []
        for number, frame in enumerate(frames):
            if number % length == 0:
                masks = [(concept, _box(rng, *frame.shape[:2])) for concept in numbers if rng.random() < 0.6]
            file = BytesIO()
            Image.fromarray(frame).save(file, "JPEG", quality=90)
            image = out.drawn(file.getvalue(), *frame.shape[:2], name=f"{number:05}.jpg")
            for concept, mask in masks:
                out.segment(image, concept, mask)


def _box(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    mask[top : top + rng.integers(height // 6, height // 2), left : left + rng.integers(width // 6, width // 2)] = True
    return mask
