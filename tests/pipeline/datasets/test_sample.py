"""The embedded sample: deterministic, exact, rich, and honest about its co-occurrence."""

import hashlib
import itertools
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filterscope.operators.images.colors import COLORS, name_colors
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask
from filterscope.pipeline.datasets.sample import draw_sample
from filterscope.pipeline.datasets.sample.annotations import label_masks, seen_attributes, seen_objects
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas, Thing
from filterscope.pipeline.datasets.sample.catalogue import CONCEPTS, OBJECTS, PARTS
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.draw import draw_image
from filterscope.pipeline.datasets.sample.finish import photographed
from filterscope.pipeline.datasets.sample.paint import flat
from filterscope.pipeline.datasets.sample.palette import SHADES
from filterscope.pipeline.datasets.sample.raster import SUB, covered
from filterscope.pipeline.datasets.sample.shapes import box, ellipse
from filterscope.pipeline.datasets.sample.traits import PAIRS, draw_traits
from filterscope.pipeline.datasets.sample.vehicles import car
from filterscope.pipeline.engine.errors import InputError
from tests import naive

IMAGES = 120
PINNED = "89eb9b3fd4783be6601672646e3f7046ff1357a43235c901b44dfe05ea16a973"
WHITE, GREY, RED = flat((250, 250, 250)), flat((60, 60, 60)), flat((214, 40, 44))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("sample") / "data"
    draw_sample(folder, images=IMAGES)
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def masks(sample: Dataset) -> list[dict[str, np.ndarray]]:
    """Masks of every image by name of concept."""
    names = {row["concept"]: row["name"] for row in sample.concepts.to_pylist()}
    found: list[dict[str, np.ndarray]] = [{} for _ in range(IMAGES)]
    for row in sample.segments(0, IMAGES):
        whole = np.ones((SIZE, SIZE), bool)
        found[row["image"]][names[row["concept"]]] = decode_mask(row["mask"], SIZE, SIZE) if row["mask"] else whole
    return found


def rows_of(dataset: Dataset, table: str, stop: int) -> list[dict]:
    return [row for row in dataset.table(table).to_pylist() if row.get("image", 0) < stop]


def pixels_of(dataset: Dataset, image: int) -> np.ndarray:
    return np.asarray(Image.open(dataset.path(dataset.images["uri"][image].as_py())))


def part_of(landmark: str) -> str:
    words = landmark.split()
    return next(name for k in range(len(words)) if (name := " ".join(words[k:])) in PARTS)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_sample(tmp_path / name, images=6, seed=3)
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*.p*")) for name in ("a", "b")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 6 + 7
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files[0])


def test_another_seed_gives_other_images(tmp_path: Path, sample: Dataset) -> None:
    draw_sample(tmp_path / "other", images=4, seed=1)
    other = Dataset.open(tmp_path / "other").images["sha256"].to_pylist()
    assert not set(other) & set(sample.images["sha256"].to_pylist())


def test_a_sample_begins_with_every_smaller_one(tmp_path: Path, sample: Dataset) -> None:
    draw_sample(tmp_path / "small", images=5)
    small = Dataset.open(tmp_path / "small")
    for table in ("images", "concepts", "segments", "objects", "landmarks", "attributes"):
        assert rows_of(small, table, 5) == rows_of(sample, table, 5), table


def test_images_are_what_they_were() -> None:
    # Pinned: whoever changes a draw changes every result that is based on the sample, and must mean to.
    digest = hashlib.sha256()
    for index in range(12):
        canvas, rgb = draw_image(0, index)
        digest.update(rgb.tobytes() + canvas.owner.astype("<u2").tobytes())
    assert digest.hexdigest() == PINNED


def test_every_concept_has_one_category_and_occurs(masks: list[dict[str, np.ndarray]]) -> None:
    assert len({name for name, _ in CONCEPTS}) == len(CONCEPTS)
    images = Counter(itertools.chain.from_iterable(masks))
    assert {name for name, _ in CONCEPTS} == set(images)


def test_the_catalogue_is_as_rich_as_promised(sample: Dataset) -> None:
    counts = Counter(sample.concepts["category"].to_pylist())
    assert len(OBJECTS) >= 8
    assert counts["texture"] >= 12
    assert counts["color"] == 11
    assert counts["scene"] >= 4
    assert counts["material"] >= 3
    levels = {row["category"]: row["level"] for row in sample.concepts.to_pylist()}
    assert {category for category, level in levels.items() if level == "image"} == {"scene"}


def test_images_hold_several_objects(sample: Dataset) -> None:
    per_image = Counter(sample.table("objects")["image"].to_pylist())
    assert sum(count >= 3 for count in per_image.values()) > IMAGES / 2


def test_scenes_and_swatches_label_whole_images(sample: Dataset) -> None:
    category = {row["concept"]: row["category"] for row in sample.concepts.to_pylist()}
    whole = defaultdict(set)
    for row in sample.segments(0, IMAGES):
        assert (row["mask"] is None) or category[row["concept"]] != "scene"
        if row["mask"] is None:
            whole[category[row["concept"]]].add(row["image"])
    assert set(whole) == {"scene", "texture", "material"}
    assert not whole["scene"] & (whole["texture"] | whole["material"])


def test_a_part_lies_within_an_object_that_has_it(masks: list[dict[str, np.ndarray]]) -> None:
    for shown in masks:
        for part in set(PARTS) & set(shown):
            owners = [shown[name] for name, parts in OBJECTS.items() if part in parts and name in shown]
            assert owners, part
            assert not (shown[part] & ~np.any(owners, axis=0)).any(), part


def test_objects_that_cannot_overlap_share_no_pixel(masks: list[dict[str, np.ndarray]]) -> None:
    for shown in masks:
        stack = [mask for name, mask in shown.items() if name in OBJECTS]
        assert not stack or np.sum(stack, axis=0).max() == 1


def test_boxes_hold_what_is_seen_of_an_object(sample: Dataset, masks: list[dict[str, np.ndarray]]) -> None:
    by_image = defaultdict(list)
    for row in sample.table("objects").to_pylist():
        by_image[row["image"], row["category"]].append([int(side) for side in row["box"]])
    alone = 0
    for (image, category), boxes in by_image.items():
        inside = np.zeros((SIZE, SIZE), bool)
        for x0, y0, x1, y1 in boxes:
            inside[y0:y1, x0:x1] = True
        mask = masks[image][category]
        # Objects of fewer than 64 visible pixels have no box.
        assert (mask & ~inside).sum() < 64 * 4
        if len(boxes) == 1 and not (mask & ~inside).any():
            rows, columns = np.nonzero(mask)
            assert boxes[0] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            alone += 1
    assert alone > IMAGES


def test_landmarks_lie_on_their_part_and_in_their_box(sample: Dataset, masks: list[dict[str, np.ndarray]]) -> None:
    objects = {row["object"]: row for row in sample.table("objects").to_pylist()}
    landmarks = sample.table("landmarks").to_pylist()
    assert len(landmarks) > 10 * IMAGES
    for row in landmarks:
        owner, part = objects[row["object"]], part_of(row["landmark"])
        assert row["image"] == owner["image"]
        assert part in OBJECTS[owner["category"]]
        column, line = math.floor(row["x"] + 0.5), math.floor(row["y"] + 0.5)
        assert masks[row["image"]][part][line, column], row
        x0, y0, x1, y1 = owner["box"]
        assert x0 <= column < x1
        assert y0 <= line < y1


def test_an_object_has_each_landmark_once(sample: Dataset) -> None:
    landmarks = sample.table("landmarks").to_pylist()
    assert len({(row["object"], row["landmark"]) for row in landmarks}) == len(landmarks)


def test_colours_are_those_of_the_stored_pixels(sample: Dataset, masks: list[dict[str, np.ndarray]]) -> None:
    for image in range(0, IMAGES, 7):
        named = name_colors(pixels_of(sample, image))
        for number, color in enumerate(COLORS):
            expected = named == number
            assert np.array_equal(masks[image].get(color, np.zeros_like(expected)), expected)


def test_shades_are_named_as_meant_in_any_light() -> None:
    for name, shades in SHADES.items():
        for percent in (92, 100):
            lit = np.array([shades], dtype=np.int64) * percent // 100
            assert {COLORS[k] for k in name_colors(lit.astype(np.uint8))[0]} == {name}, (name, percent)


def test_what_is_hidden_has_no_label() -> None:
    canvas, thing = Canvas(), Thing("car")
    thing.add("wheel", box(-500, -1000, 0, 0), RED, landmark="rear wheel")
    thing.add("headlight", box(0, -1000, 500, 0), GREY)
    canvas.place(thing, 100, 150, 100)
    canvas.region(box(40, 0, 90, SIZE), WHITE, ("curtain", "object"))
    labels, masks = label_masks(canvas, photographed(canvas.pixels, Dice(0), {}))
    shown = dict(zip(labels, masks.astype(bool), strict=True))
    assert shown["wheel", "part"].sum() == 10 * 100
    assert shown["headlight", "part"].sum() == 50 * 100
    assert np.array_equal(shown["car", "object"], shown["wheel", "part"] | shown["headlight", "part"])
    assert not (shown["car", "object"] & shown["curtain", "object"]).any()
    (seen,) = seen_objects(canvas)
    assert seen.box == (90, 50, 150, 150)
    # The middle of the wheel, x = 75, is hidden: the nearest pixel that is seen stands for it.
    assert seen.landmarks == (("rear wheel", 90.0, 100.0), ("headlight", 125.0, 100.0))


def test_each_wheel_has_its_own_landmark_on_its_hub() -> None:
    canvas = Canvas()
    canvas.place(car(Dice(0), draw_traits(Dice(0), 0.5)), 112, 150, 80)
    places = {name: (round(x), round(y)) for name, x, y in seen_objects(canvas)[0].landmarks}
    assert (places["rear wheel"], places["front wheel"]) == ((51, 132), (173, 132))


def test_landmarks_of_hidden_parts_are_dropped() -> None:
    canvas, thing = Canvas(), Thing("car")
    thing.add("wheel", box(-500, -1000, 0, 0), RED)
    thing.add("headlight", box(0, -1000, 500, 0), GREY, attribute=("lights", "on"))
    canvas.place(thing, 100, 150, 100, flip=True)
    assert seen_attributes(canvas) == {"lights": "on"}
    canvas.region(box(0, 0, 100, SIZE), WHITE)
    (seen,) = seen_objects(canvas)
    assert [name for name, *_ in seen.landmarks] == ["wheel"]
    assert seen_attributes(canvas) == {}


def test_left_and_right_are_as_seen_in_the_image() -> None:
    for flip in (False, True):
        canvas, thing = Canvas(), Thing("cat")
        thing.add("eye", box(-300, -600, -100, -400), RED, landmark="left eye")
        thing.add("eye", box(100, -600, 300, -400), RED, landmark="right eye")
        canvas.place(thing, 112, 200, 150, flip=flip)
        places = {name: x for name, x, _ in seen_objects(canvas)[0].landmarks}
        assert places == {"left eye": 82.0, "right eye": 142.0}


@given(st.integers(20, 180), st.integers(20, 180), st.integers(6, 20), st.integers(0, 1000))
def test_the_camera_moves_nothing(x: int, y: int, radius: int, light: int) -> None:
    canvas = Canvas()
    canvas.region(box(0, 0, SIZE, SIZE), GREY)
    disc = canvas.region(ellipse(x, y, radius, radius), WHITE)
    bright = photographed(canvas.pixels, Dice(light), {}).astype(int).mean(axis=2) > 140
    moved = np.argwhere(bright).mean(axis=0) - np.argwhere(canvas.owner == disc).mean(axis=0)
    assert abs(moved).max() < 0.25


_POINT = st.tuples(st.integers(-3 * SUB, 15 * SUB), st.integers(-3 * SUB, 15 * SUB))
_GRID_POINT = _POINT.map(lambda point: (point[0] // SUB * SUB, point[1] // SUB * SUB))


@given(st.lists(st.lists(_POINT | _GRID_POINT, min_size=3, max_size=7), min_size=1, max_size=2))
def test_rasterising_equals_counting_crossings(contours: list[list[tuple[int, int]]]) -> None:
    top, left, mask = covered([np.array(contour, dtype=np.int64) for contour in contours], 12)
    full = np.zeros((12, 12), dtype=bool)
    full[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    expected = [[naive.images.inside(contours, x * SUB, y * SUB) for x in range(12)] for y in range(12)]
    assert np.array_equal(full, expected)


@pytest.mark.parametrize("cooccurrence", [0.1, 0.5, 0.9])
def test_pairs_go_together_as_often_as_asked(cooccurrence: float) -> None:
    draws = [draw_traits(Dice(1, index), cooccurrence) for index in range(2000)]
    for pair in PAIRS:
        firsts = np.array([draw[pair.first] == pair.first_values[0] for draw in draws])
        seconds = np.array([draw[pair.second] == pair.second_values[0] for draw in draws])
        error = 4 * math.sqrt(cooccurrence * (1 - cooccurrence) / len(draws))
        assert abs((firsts == seconds).mean() - cooccurrence) < error
        for coin in (firsts, seconds):
            assert abs(coin.mean() - 0.5) < 4 * 0.5 / math.sqrt(len(draws))


def test_attributes_of_images_follow_the_pairs(sample: Dataset) -> None:
    values = defaultdict(dict)
    for row in sample.table("attributes").to_pylist():
        values[row["image"]][row["attribute"]] = row["value"]
    together = [
        pair.first_values.index(shown[pair.first]) == pair.second_values.index(shown[pair.second])
        for shown in values.values()
        for pair in PAIRS
        if {pair.first, pair.second} <= set(shown)
    ]
    assert len(together) > 40
    assert abs(np.mean(together) - 0.8) < 4 * math.sqrt(0.8 * 0.2 / len(together))


@pytest.mark.parametrize(("cooccurrence", "expected"), [(0.0, {False}), (1.0, {True})])
def test_pairs_can_be_made_strict(cooccurrence: float, expected: set[bool]) -> None:
    found = set()
    for index in range(40):
        shown = seen_attributes(draw_image(0, index, cooccurrence)[0])
        for pair in PAIRS:
            if {pair.first, pair.second} <= set(shown):
                first, second = pair.first_values.index(shown[pair.first]), pair.second_values.index(shown[pair.second])
                found.add(first == second)
    assert found == expected


def test_the_last_argument_hears_of_progress(tmp_path: Path) -> None:
    heard: list[int] = []
    draw_sample(tmp_path / "data", images=3, progress=heard.append)
    assert heard == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 0}, "a sample of 0 images was asked for; ask for at least 1"),
        ({"seed": -1}, "the seed is -1; give a number from 0"),
        ({"cooccurrence": 1.5}, "cooccurrence is 1.5; it is a probability, from 0 to 1"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        draw_sample(tmp_path / "data", **options)
    assert str(caught.value) == message
    assert not (tmp_path / "data").exists()


def test_many_masks_are_written_as_one_by_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    masks = random.random((4, 7, 5)) < np.array([0.5, 0.0, 1.0, 0.1])[:, None, None]
    for name in ("one", "many"):
        with DatasetWriter(tmp_path / name, source={}) as writer:
            image = writer.drawn(b"image", 7, 5, name="a.png")
            numbers = [writer.concept(str(k), "object") for k in range(4)]
            if name == "many":
                writer.segments(image, numbers, masks)
            else:
                for number, mask in zip(numbers, masks, strict=True):
                    writer.segment(image, number, mask)
    one, many = (list(Dataset.open(tmp_path / name).segments(0, 1)) for name in ("one", "many"))
    assert one == many
    assert [row["concept"] for row in many] == [1, 3, 4]


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        image = writer.drawn(b"image", 7, 5, name="a.png")
        with pytest.raises(InputError, match=r"masks of shape \(2, 5, 7\) for 2 concepts of image 0 of size \(7, 5\)"):
            writer.segments(image, [1, 2], np.ones((2, 5, 7), bool))
