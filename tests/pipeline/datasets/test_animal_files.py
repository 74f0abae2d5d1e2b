"""The published MATLAB files of the animal-part set come in, of either version alike."""

import csv
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from filterscope.pipeline.datasets import matlab
from filterscope.pipeline.datasets.animal_files import CATEGORIES
from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.datasets.layout import NEGATIVE, Dataset
from filterscope.pipeline.engine.errors import InputError
from tests.planted.matlab import save_v5, save_v73

Save = Callable[[Path, dict[str, Any]], None]
SAVERS = {"5": save_v5, "7.3": save_v73}
H, W = 40, 60


def edges(x0: float, y0: float, x1: float, y1: float) -> dict[str, float]:
    return {"Wmin": x0, "Hmin": y0, "Wmax": x1, "Hmax": y1}


NO_BOX = dict.fromkeys(("Wmin", "Hmin", "Wmax", "Hmax"))
DOGS = [
    {"obj": {"bndbox": edges(4, 2, 31, 29), "filename": "00002.jpg"}, "partbox": [edges(6, 4, 15, 12), NO_BOX]},
    {"obj": {"bndbox": edges(0, 0, 59, 39), "filename": "n02084071_7.JPEG"}, "partbox": [NO_BOX, edges(8, 9, 12, 20)]},
    {"obj": {"bndbox": edges(1, 1, 3, 3)}, "partbox": [NO_BOX, NO_BOX]},
]
NAMED = [
    {"obj": {"bndbox": edges(2, 3, 20, 30), "parts": [{"bndbox": edges(2, 3, 4, 9), "name": "tail"}]}},
    {"obj": {"bndbox": edges(5, 6, 7, 8), "parts": None}},
]
BIRDS = [{"obj": {"bndbox": {"xmin": 1.0, "ymin": 8.0, "xmax": 56.0, "ymax": 35.0}}} for _ in range(3)]
BOX = {"xmin": "0", "ymin": "7", "xmax": "56", "ymax": "35"}
HEADS = [
    {"pHW_center": np.array([[112.0, 56.0], [28.0, 224.0]]), "pHW_scale": np.array([[32.0, 8.0], [16.0, 4.0]]),
     "obj": {"filename": "00001.jpg", "bndbox": BOX, "ID": 1.0}},
    {"pHW_center": None, "pHW_scale": None, "obj": None},
    {"pHW_center": np.array([[0.0], [0.0]]), "pHW_scale": None, "obj": {"filename": "00003.jpg", "bndbox": BOX, "ID": 3.0}},
]  # fmt: skip


def write(folder: Path, save: Save) -> Path:
    """Three categories: one file of all, one with names of parts, one of boxes and a file per part."""
    for name, images in (("n02084071", 3), ("griffin", 2), ("n01503061_obj/img", 3)):
        (folder / name / "img").mkdir(parents=True)
        for place in range(1, images + 1):
            pixels = np.full((H, W, 3), 10 * place, np.uint8)
            Image.fromarray(pixels).save(folder / name / "img" / f"{place:05d}.jpg")
    (folder / "negatives").mkdir()
    Image.new("RGB", (W, H)).save(folder / "negatives" / "1.jpg")
    (folder / "n01503061").mkdir()
    save(folder / "n02084071" / "truth.mat", {"truth": DOGS})
    save(folder / "griffin" / "truth_griffin.mat", {"truth": NAMED, "other": "text"})
    save(folder / "n01503061_obj" / "img" / "data.mat", {"samples": BIRDS})
    save(folder / "n01503061" / "truth_part01.mat", {"truth": HEADS})
    return folder


@pytest.fixture(params=list(SAVERS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "source", SAVERS[request.param])


def imported(source: Path, target: Path, **options: Any) -> Dataset:
    import_animals(source, target, **options)
    return Dataset.open(target, need=None)


def test_boxes_and_parts_stand_where_the_files_say(source: Path, tmp_path: Path) -> None:
    data = imported(source, tmp_path / "data")
    names = [uri.removeprefix("images/") for uri in data.images["uri"].to_pylist()]
    assert names == [
        "griffin/00001.jpg", "griffin/00002.jpg", "bird/00001.jpg", "bird/00002.jpg", "bird/00003.jpg",
        "dog/00001.jpg", "dog/00002.jpg", "dog/00003.jpg", "negatives/1.jpg",
    ]  # fmt: skip
    assert data.images["split"].to_pylist() == [None] * 8 + [NEGATIVE]
    boxes = [(names[row["image"]], row["category"], row["box"]) for row in data.table("objects").to_pylist()]
    assert boxes == [
        ("griffin/00001.jpg", "griffin", [2, 3, 21, 31]),
        ("griffin/00002.jpg", "griffin", [5, 6, 8, 9]),
        ("bird/00001.jpg", "bird", [0, 7, 57, 36]),
        ("bird/00002.jpg", "bird", [1, 8, 57, 36]),
        ("bird/00003.jpg", "bird", [0, 7, 57, 36]),
        ("dog/00002.jpg", "dog", [4, 2, 32, 30]),
        ("dog/00002.jpg", "dog", [0, 0, 60, 40]),
        ("dog/00003.jpg", "dog", [1, 1, 4, 4]),
    ]
    points = [tuple(row.values()) for row in data.table("landmarks").to_pylist()]
    assert points == [
        (0, 0, "tail", 3, 6, 2, 6),
        (2, 2, "head", 7, 21, 4, 4),
        (2, 2, "head", 56, 14, 1, 1),
        (4, 4, "head", 0, 7, None, None),
        (6, 5, "head", 10.5, 8, 9, 8),
        (6, 6, "frontal_legs", 10, 14.5, 4, 11),
    ]
    assert data.table("rejects").num_rows == 0


def test_either_version_gives_the_same_data_set(tmp_path: Path) -> None:
    sets = {}
    for name, save in (
        *SAVERS.items(),
        ("5, not packed", lambda path, content: save_v5(path, content, packed=False)),
    ):
        write(tmp_path / name, save)
        sets[name] = imported(tmp_path / name, tmp_path / f"{name}-data", group_by="folder")
    assert len({data.identity for data in sets.values()}) == 1
    assert sets["7.3"].images["group"].to_pylist() == ["griffin"] * 2 + ["bird"] * 3 + ["dog"] * 3 + [None]


def test_one_category_is_a_source_too(source: Path, tmp_path: Path) -> None:
    data = imported(source / "n02084071", tmp_path / "data")
    assert data.table("objects")["category"].to_pylist() == ["dog"] * 3
    assert data.images["uri"].to_pylist() == [f"images/dog/0000{place}.jpg" for place in (1, 2, 3)]


def test_entries_that_cannot_be_used_are_rejected(source: Path, tmp_path: Path) -> None:
    save = SAVERS["7.3" if (source / "griffin" / "truth_griffin.mat").read_bytes()[7:10] == b"7.3" else "5"]
    bad = [
        {"obj": {"bndbox": edges(2, 3, 20, 30)}, "partbox": "text"},
        {"obj": {"bndbox": NO_BOX}, "partbox": None},
        {"obj": {"bndbox": edges(50, 3, 20, 30)}, "partbox": [edges(500, 3, 504, 9)]},
        {"obj": {"bndbox": {**edges(1, 2, 3, 4), "Wmax": np.nan}}, "partbox": None},
        {"obj": {"bndbox": {"left": 1.0}}, "partbox": None},
        {"obj": {"bndbox": edges(2, 3, 20, 30)}, "partbox": None},
    ]
    save(source / "griffin" / "truth_griffin.mat", {"truth": bad})
    shutil.copy(source / "griffin" / "img" / "00001.jpg", source / "griffin" / "img" / "00003.jpg")
    data = imported(source, tmp_path / "data")
    reasons = {row["item"]: row["reason"] for row in data.table("rejects").to_pylist()}
    where = "griffin/truth_griffin.mat truth"
    assert reasons == {
        f"{where}(1)": "str instead of a struct",
        f"{where}(2)": "the object has no box",
        f"{where}(4)": "'nan' is no position",
        f"{where}(5)": "a box needs the fields xmin, ymin, xmax, ymax or Wmin, Hmin, Wmax, Hmax",
        "object 6 of griffin": "no image 00006.jpg in the folder of its category",
        "object 3 of griffin": "the box [50.0, 3.0, 21.0, 31.0] has no area inside the image of 40 x 60 (height x width)",
        "head of object 3 of griffin": "object '3' of 'griffin/00003.jpg' is not in objects.csv",
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a sound MATLAB file"),
        (b"MATLAB 5.0 MAT-file" + bytes(200), "not a sound MATLAB file|no variable or field 'truth'"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "not a sound MATLAB file"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(200), "not a sound MATLAB file"),
    ],
)
def test_a_damaged_file_is_named(source: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    (source / "n02084071" / "truth.mat").write_bytes(content)
    with pytest.raises(InputError, match=rf"n02084071/truth\.mat cannot be read: ({reason})"):
        import_animals(source, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("save", SAVERS.values(), ids=list(SAVERS))
def test_a_file_without_the_variable_is_named(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "truth.mat", {"other": 1.0})
    with pytest.raises(InputError, match=r"truth\.mat cannot be read: it has no variable or field 'truth'"):
        import_animals(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("save", SAVERS.values(), ids=list(SAVERS))
def test_a_bomb_is_refused(tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "truth.mat", {"truth": np.zeros((1 << 10, 1 << 10))})
    assert (tmp_path / "truth.mat").stat().st_size < 1 << 17
    monkeypatch.setattr(matlab, "_LARGEST", 1 << 22)
    with pytest.raises(InputError, match="it is more than 4194304 bytes when decompressed"):
        import_animals(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sides", [(30000, 20000), (1 << 30, 1 << 30), (-1, 5), (4, 5)])
@pytest.mark.parametrize("kind", ["cell", "struct", "in a struct"])
def test_an_array_of_more_elements_than_its_file_can_hold_is_refused(
    tmp_path: Path, kind: str, sides: tuple[int, int], packed: bool
) -> None:
    """Room for 30,000 x 20,000 elements took 58 s and 4.7 GB before the end of the file was met."""
    cell = np.empty((3, 5), object)
    cell[:] = 1.0
    value = {
        "cell": cell,
        "struct": np.zeros((3, 5), [("a", object)]),
        "in a struct": {"obj": cell},
    }[kind]
    savemat(tmp_path / "truth.mat", {"truth": value})
    content = (tmp_path / "truth.mat").read_bytes()
    (tmp_path / "truth.mat").write_bytes(forged(content, (3, 5), sides, packed=packed))
    with pytest.raises(InputError, match=rf"array of {sides[0]} x {sides[1]} in|it ends within"):
        import_animals(tmp_path, tmp_path / "data")


def forged(content: bytes, sides: tuple[int, int], others: tuple[int, int], *, packed: bool) -> bytes:
    """Return a file of version 5 in which an array says that it has other sides, its variable packed or not."""
    assert content.count(struct.pack("<ii", *sides)) == 1
    variable = content[128:].replace(struct.pack("<ii", *sides), struct.pack("<ii", *others))
    if packed:
        variable = zlib.compress(variable)
        variable = struct.pack("<II", 15, len(variable)) + variable
    return content[:128] + variable


def test_cells_nested_without_end_are_refused(tmp_path: Path) -> None:
    deep: Any = 1.0
    for _ in range(2000):
        outer = np.empty((1, 1), object)
        outer[0, 0], deep = deep, outer
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20000)
    try:
        savemat(tmp_path / "truth.mat", {"truth": deep})
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(InputError, match="nested more than 16 deep"):
        import_animals(tmp_path, tmp_path / "data")


def test_images_in_a_file_of_version_7_3_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_v73(tmp_path / "truth.mat", {"truth": [{**DOGS[2], "I": np.zeros((1 << 10, 1 << 10))}]})
    (tmp_path / "img").mkdir()
    Image.new("RGB", (W, H)).save(tmp_path / "img" / "00001.jpg")
    monkeypatch.setattr(matlab, "_LARGEST", 1 << 16)
    assert imported(tmp_path, tmp_path / "data").table("objects")["box"].to_pylist() == [[1, 1, 4, 4]]


def test_a_struct_that_holds_itself_ends(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "truth.mat", "w") as file:
        group = file.create_group("truth")
        group.create_dataset("obj", data=np.array([[group.ref], [group.ref]], h5py.ref_dtype), dtype=h5py.ref_dtype)
    with pytest.raises(InputError, match="nested more than 16 deep"):
        import_animals(tmp_path, tmp_path / "data")


def test_no_other_file_is_read(tmp_path: Path) -> None:
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(bytes(800))
    save_v73(tmp_path / "other.mat", {"truth": DOGS})
    source = tmp_path / "source"
    source.mkdir()
    virtual = h5py.VirtualLayout((1, 3), float)
    virtual[:] = h5py.VirtualSource(tmp_path / "other.mat", "x", (1, 3))
    for make, reason in (
        (lambda file: file.update(truth=h5py.ExternalLink(tmp_path / "other.mat", "truth")), "'truth' is a link"),
        (lambda file: file.update(truth=h5py.SoftLink("/x")), "'truth' is a link"),
        (lambda file: file.create_dataset("truth", (100,), float, external=[(secret, 0, 800)]), "lie in another file"),
        (lambda file: file.create_virtual_dataset("truth", virtual), "lie in another file"),
        (lambda file: file.create_dataset("truth", data=np.zeros(99), compression="lzf"), "packed in a way"),
    ):
        with h5py.File(source / "truth.mat", "w") as file:
            make(file)
        with pytest.raises(InputError, match=reason):
            import_animals(source, tmp_path / "data")


def test_parts_marked_on_crops_return_to_the_pixels_of_the_csv_files(test_data: Path, tmp_path: Path) -> None:
    """The pack states x = xmin + u / 224 (xmax - xmin) of the source's u: written back, it comes in as the pack does."""
    pack = test_data / "animals"
    with (pack / "objects.csv").open(newline="") as file:
        boxes = [row for row in csv.DictReader(file) if row["category"] == "dog"][:12]
    with (pack / "landmarks.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    folder = tmp_path / "source" / "n02084071"
    (folder / "img").mkdir(parents=True)
    entries: dict[str, list[dict[str, Any]]] = {"head": [], "frontal_legs": []}
    names = ("xmin", "ymin", "xmax", "ymax")
    for place, row in enumerate(boxes, 1):
        shutil.copy(pack / "images" / row["image"], folder / "img" / f"{place:05d}.jpg")
        x0, y0, x1, y1 = (float(row[name]) for name in names)
        about = {"filename": f"{place:05d}.jpg", "bndbox": {name: row[name] for name in names}, "ID": float(place)}
        scale = 224 / np.array([y1 - y0, x1 - x0])
        for part, rows in entries.items():
            mine = [p for p in points if (p["image"], p["object"], p["part"]) == (row["image"], row["object"], part)]
            centre = np.array([[float(p["y"]) - y0, float(p["x"]) - x0] for p in mine]).reshape(-1, 2) * scale
            size = np.array([[float(p["part_height"]), float(p["part_width"])] for p in mine]).reshape(-1, 2) * scale
            rows.append({"pHW_center": centre.T if mine else None, "pHW_scale": size.T if mine else None, "obj": about})
    for place, rows in enumerate(entries.values(), 1):
        save_v73(folder / f"truth_part{place:02d}.mat", {"truth": rows})
    data = imported(tmp_path / "source", tmp_path / "data")
    assert data.table("objects")["box"].to_pylist() == [
        [float(row[name]) + (name in names[2:]) for name in names] for row in boxes
    ]
    keys = [(row["image"], row["object"]) for row in boxes]
    wanted = sorted(
        (keys.index(key), p["part"], *(float(p[name]) for name in ("x", "y", "part_width", "part_height")))
        for p in points if (key := (p["image"], p["object"])) in keys
    )  # fmt: skip
    found = sorted((row["object"], row["landmark"], row["x"], row["y"], row["width"], row["height"])
                   for row in data.table("landmarks").to_pylist())  # fmt: skip
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    np.testing.assert_allclose([row[2:] for row in found], [row[2:] for row in wanted], rtol=1e-6)
    assert len(found) > 12


def test_categories_are_the_thirty_of_the_set() -> None:
    assert len(CATEGORIES) == len(set(CATEGORIES.values())) == 30
