"""An EXIF orientation is applied to all that is said of an image, or to nothing, and either is told."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.pipeline.datasets.colors import ColorLabels
from filterscope.pipeline.datasets.images import as_rgb, open_image, orientation_of, upright
from filterscope.pipeline.datasets.landmarks import import_landmarks
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.masks import import_masks, read_indices
from filterscope.pipeline.datasets.reading import ImportNote
from filterscope.pipeline.datasets.sequences import near_alike
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.views.decode import decode_views
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.views import Views, ViewSettings
from tests.audits import assert_same, audit_here
from tests.planted import entry

#: What a camera stores of an upright picture for each tag: the inverse of what a viewer does.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
H, W = 48, 40


def whole(data: Dataset) -> Views:
    return Views.of(data, ViewSettings())


def save(path: Path, pixels: np.ndarray, tag: int = 1) -> Path:
    """Store an upright picture under a tag, without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {}
    if tag != 1:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = tag
    Image.fromarray(np.ascontiguousarray(STORED[tag](pixels))).save(path, **options)
    return path


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a red and a green rectangle on grey noise, and its mask."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 110, (H, W, 3)).astype(np.uint8)
    mask = np.zeros((H, W), np.uint8)
    for index, color in ((1, (255, 0, 0)), (2, (0, 255, 0))):
        y, x = rng.integers(0, H // 2), rng.integers(0, W // 2)
        part = np.s_[y : y + 9 + 3 * index, x : x + 12]
        pixels[part], mask[part] = color, index
        pixels[part] = pixels[part] - np.minimum(pixels[part], rng.integers(0, 30, pixels[part].shape[:2])[..., None])
    return pixels, mask


def write(folder: Path, tags: list[int], suffix: str = ".png") -> Path:
    for number, tag in enumerate(tags):
        pixels, mask = picture(number)
        save(folder / "images" / f"{number:02d}{suffix}", pixels, tag)
        save(folder / "masks" / f"{number:02d}.png", mask)
    (folder / "labels.csv").write_text("index,name\n1,red thing\n2,green thing\n")
    return folder


TAGS = [2, 3, 4, 5, 6, 7, 8, 1, 3, 6, 8, 2]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("exif")
    import_masks(write(folder / "upright", [1] * 12), folder / "a", colors=True)
    with pytest.warns(ImportNote, match="11 images have an EXIF orientation other than 1; turned upright"):
        import_masks(write(folder / "tagged", TAGS), folder / "b", colors=True)
    return folder / "a", folder / "b"


def test_pixels_masks_and_colours_agree_with_those_stored_upright(both: tuple[Path, Path]) -> None:
    one, other = map(Dataset.open, both)
    assert list(one.segments(0, 12)) == list(other.segments(0, 12))
    assert other.images["orientation"].to_pylist() == [None if tag == 1 else tag for tag in TAGS]
    for name in ("height", "width"):
        assert one.images[name] == other.images[name]
    geometry = Geometry("squash", (H, W), H, "nearest")
    seen = [decode_views(data, whole(data), range(12), geometry).pixels for data in (one, other)]
    np.testing.assert_array_equal(*seen)
    np.testing.assert_array_equal(seen[0], [picture(number)[0] for number in range(12)])
    np.testing.assert_array_equal(near_alike(one), near_alike(other))


def test_an_audit_finds_the_same_detectors_and_shows_the_same_pictures(both: tuple[Path, Path], tmp_path: Path) -> None:
    from filterscope.jobs.report.thumbnails import Look

    runs = [
        audit_here(tmp_path / data.name, data=data, models=[entry("colours")], layers="0", quantile=0.05, min_images=3)
        for data in both
    ]
    assert_same(*runs)
    units = schemas.scan(runs[1], "units").collect()
    assert units["detector"].to_list() == [True, True, False]
    assert units["concept"].to_list()[:2] == ["red thing", "green thing"]
    looks = [
        Look.of(plan, plan.models[0]).pictures(plan, range(12)) for plan in (RunFolder(run).plan() for run in runs)
    ]
    np.testing.assert_array_equal(*looks)


@pytest.mark.parametrize("tag", range(2, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_tag_of_every_format_is_turned_as_a_viewer_turns_it(tmp_path: Path, tag: int, suffix: str) -> None:
    pixels = np.zeros((32, 16, 3), np.uint8)
    pixels[:16, :, 0], pixels[:, :8, 1] = 255, 255
    path = save(tmp_path / f"a{suffix}", pixels, tag)
    with open_image(path) as image:
        turned = upright(as_rgb(image), orientation_of(image))
    assert np.abs(np.asarray(turned).astype(int) - pixels).mean() < 16


def test_a_mask_with_a_tag_of_its_own_is_turned(tmp_path: Path) -> None:
    mask = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(read_indices(save(tmp_path / "a.png", mask, 6), turn=True), mask)
    assert read_indices(tmp_path / "a.png").shape == (3, 2)


def test_ignored_tags_leave_pixels_and_annotations_as_stored(tmp_path: Path) -> None:
    write(tmp_path / "source", [3])
    with pytest.warns(ImportNote, match=r"1 image has an EXIF orientation other than 1; taken as stored.*--exif apply"):
        import_masks(tmp_path / "source", tmp_path / "data", exif="ignore")
    data = Dataset.open(tmp_path / "data")
    assert data.images["orientation"].to_pylist() == [None]
    assert data.manifest["source"]["exif"] == "ignore"
    [row] = [row for row in data.segments(0, 1) if row["concept"] == 1]
    np.testing.assert_array_equal(decode_mask(row["mask"], H, W), picture(0)[1] == 1)
    pixels = decode_views(data, whole(data), [0], Geometry("squash", (H, W), H, "nearest")).pixels[0]
    np.testing.assert_array_equal(pixels, picture(0)[0][::-1, ::-1])


@pytest.mark.parametrize(("exif", "other", "tag"), [("ignore", "apply", 6), ("apply", "ignore", 8)])
def test_sizes_that_match_only_after_a_quarter_turn_name_exif(tmp_path: Path, exif: str, other: str, tag: int) -> None:
    write(tmp_path / "source", [tag])
    if exif == "apply":
        save(tmp_path / "source" / "masks" / "00.png", np.ascontiguousarray(STORED[tag](picture(0)[1])))
    with pytest.raises(InputError, match=f"its EXIF orientation is {tag}, a quarter turn: try --exif {other}"):
        import_masks(tmp_path / "source", tmp_path / "data", exif=exif)


@pytest.mark.parametrize("tag", [1, 3])
def test_sizes_that_differ_for_another_reason_do_not_name_exif(tmp_path: Path, tag: int) -> None:
    write(tmp_path / "source", [tag])
    save(tmp_path / "source" / "masks" / "00.png", picture(0)[1].swapaxes(0, 1))
    with pytest.raises(InputError, match="but its image") as error:
        import_masks(tmp_path / "source", tmp_path / "data")
    assert "EXIF" not in str(error.value)


def test_points_and_boxes_are_those_of_the_upright_image(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    save(folder / "images" / "a.png", picture(0)[0], 6)
    with (folder / "landmarks.csv").open("w") as file:
        csv.writer(file).writerows([("image", "landmark", "x", "y"), ("a.png", "tip", W - 1, H - 1)])
    with pytest.warns(ImportNote):
        import_landmarks(folder, tmp_path / "data")
    data = Dataset.open(tmp_path / "data", need=None)
    [point] = data.table("landmarks").to_pylist()
    assert (point["x"], point["y"]) == (W - 1, H - 1)
    with pytest.raises(InputError, match="lies outside the image"):
        import_landmarks(folder, tmp_path / "stored", exif="ignore")


def test_a_wrong_rule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--exif is 'maybe'; give `apply`"):
        import_masks(write(tmp_path / "source", [1]), tmp_path / "data", exif="maybe")


def test_without_tags_the_rule_changes_nothing_and_the_identity_is_that_of_before(tmp_path: Path) -> None:
    write(tmp_path / "source", [1, 1])
    for exif in ("apply", "ignore"):
        import_masks(tmp_path / "source", tmp_path / exif, exif=exif)
    identities = {Dataset(tmp_path / exif).identity for exif in ("apply", "ignore")}
    assert len(identities) == 1


def test_colours_follow_the_writer(tmp_path: Path) -> None:
    from filterscope.pipeline.datasets.writer import DatasetWriter

    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:2] = (255, 0, 0)
    path = save(tmp_path / "a.png", pixels, 8)
    with DatasetWriter(tmp_path / "data", source={}, upright=True) as writer:
        ColorLabels(writer, ()).add(writer.image(path), path)
    found = {row["concept"]: decode_mask(row["mask"], 4, 6) for row in Dataset(tmp_path / "data").segments(0, 1)}
    assert sorted(mask.sum() for mask in found.values()) == [12, 12]
    assert all((mask == mask[:, :1]).all() for mask in found.values())
