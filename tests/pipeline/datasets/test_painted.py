"""Painted masks give the classes that their colours stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.masks import import_masks
from filterscope.pipeline.datasets.painted import voc_color
from filterscope.pipeline.engine.errors import InputError


def write(folder: Path, colors: Any, names: str, file: str = "labels.csv", **places: str) -> Path:
    for place, name in ({"images": "a.png", "masks": "a.png"} | places).items():
        (folder / place / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.array(colors, np.uint8)
        Image.fromarray(pixels).save(folder / place / name)
    (folder / file).write_text(names)
    return folder


def found(source: Path, **options: Any) -> dict[str, list[list[int]]]:
    import_masks(source, source.parent / "data", **options)
    data = Dataset.open(source.parent / "data")
    names = data.concepts["name"].to_pylist()
    return {
        names[row["concept"] - 1]: decode_mask(row["mask"], 1, 3).astype(int).tolist() for row in data.segments(0, 1)
    }


def test_the_palette_of_voc() -> None:
    published = {0: 0, 1: 0x800000, 2: 0x008000, 3: 0x808000, 8: 0x400000, 15: 0xC08080, 20: 0x004080, 255: 0xE0E0C0}
    assert {index: voc_color(index) for index in published} == published


def test_masks_in_the_colours_of_voc(tmp_path: Path) -> None:
    source = write(
        tmp_path / "s", [[[128, 0, 0], [192, 128, 128], [224, 224, 192]]], "index,name\n1,plane\n15,person\n"
    )
    assert found(source, painted="voc") == {"plane": [[1, 0, 0]], "person": [[0, 1, 0]]}


def test_masks_in_the_code_of_ade20k(tmp_path: Path) -> None:
    source = write(tmp_path / "s", [[[10, 33, 7], [120, 255, 1], [0, 0, 0]]], "index,name\n289,tree\n3327,wall\n")
    assert found(source, painted="ade20k") == {"tree": [[1, 0, 0]], "wall": [[0, 1, 0]]}


@pytest.mark.parametrize("colors", ["#ff0000,#00ff07", '"255,0,0","0, 255, 7"', "255 0 0,0 255 7"])
def test_colours_of_the_csv(tmp_path: Path, colors: str) -> None:
    first, second = ("#ff0000", "#00ff07") if "#" in colors else ('"255,0,0"', "0 255 7")
    names = f"index,name,color\n1,cat,{first}\n2,dog,{second}\n"
    source = write(tmp_path / "s", [[[255, 0, 0], [0, 255, 7], [0, 0, 0]]], names)
    assert found(source) == {"cat": [[1, 0, 0]], "dog": [[0, 1, 0]]}


def test_the_label_map_of_cvat(tmp_path: Path) -> None:
    names = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\nroad:128,64,128::\n"
    source = write(tmp_path / "s", [[[250, 50, 83], [128, 64, 128], [0, 0, 0]]], names, "labelmap.txt")
    assert found(source) == {"cat": [[1, 0, 0]], "road": [[0, 1, 0]]}


def test_a_palette_is_read_by_its_colours(tmp_path: Path) -> None:
    source = write(tmp_path / "s", [[[9, 9, 9]] * 3], "index,name,color\n1,cat,#ff0000\n")
    image = Image.frombytes("P", (3, 1), bytes([5, 0, 5]))
    image.putpalette([0, 0, 0] * 5 + [255, 0, 0] + [0, 0, 0] * 250)
    image.save(source / "masks" / "a.png")
    assert found(source) == {"cat": [[1, 0, 1]]}


@pytest.mark.parametrize(
    ("names", "painted", "message"),
    [
        ("index,name,color\n1,cat,#ff0000\n", None, "has the colour #010203, which is no class's"),
        ("index,name,color\n1,cat,red\n", None, "line 2 has the colour 'red'"),
        ("index,name,color\n1,cat,256 0 0\n", None, "line 2 has the colour '256 0 0'"),
        ("index,name,color\n1,cat,#ff0000\n2,dog,255 0 0\n", None, "line 3 gives the colour '255 0 0' again"),
        ("index,name\n1,cat\n", "listed", "line 2 has the colour ''"),
        ("index,name\n1,cat\n", "rgb", "--painted is 'rgb'; give voc"),
    ],
)
def test_colours_that_mean_nothing_are_refused(tmp_path: Path, names: str, painted: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        found(write(tmp_path / "s", [[[1, 2, 3]] * 3], names), painted=painted)
    assert not (tmp_path / "data").exists()


def test_a_name_that_comes_twice_in_a_label_map_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "s", [[[1, 0, 0]] * 3], "cat:1,0,0::\ncat:2,0,0::\n", "labelmap.txt")
    with pytest.raises(InputError, match="line 2 names 'cat' again"):
        found(source)


def test_names_of_cityscapes(tmp_path: Path) -> None:
    source = tmp_path / "s"
    places = {"leftImg8bit": "train/ulm/ulm_0_leftImg8bit.png", "gtFine": "train/ulm/ulm_0_gtFine_color.png"}
    for place, name in places.items():
        (source / place / name).parent.mkdir(parents=True)
        Image.new("RGB", (3, 1)).save(source / place / name)
    Image.fromarray(np.array([[7, 0, 26]], np.uint8)).save(source / "gtFine/train/ulm/ulm_0_gtFine_labelIds.png")
    (source / "labels.csv").write_text("index,name\n7,road\n26,car\n")
    ends = {"mask_suffix": "_gtFine_labelIds", "image_suffix": "_leftImg8bit"}
    assert found(source, **ends, group_by="folder") == {"road": [[1, 0, 0]], "car": [[0, 0, 1]]}
    assert Dataset.open(tmp_path / "data").images["group"].to_pylist() == ["train/ulm"]
    assert Dataset.open(tmp_path / "data").table("rejects").num_rows == 0
    with pytest.raises(InputError, match="no mask ends in '_x'"):
        import_masks(source, tmp_path / "other", mask_suffix="_x")
