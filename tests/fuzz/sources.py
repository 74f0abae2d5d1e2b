"""A small sound source for every reader, to be damaged."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.datasets.broden import import_broden
from filterscope.pipeline.datasets.coco import import_coco
from filterscope.pipeline.datasets.cub import import_cub
from filterscope.pipeline.datasets.cvat import import_cvat
from filterscope.pipeline.datasets.labelme import import_labelme
from filterscope.pipeline.datasets.landmarks import import_landmarks
from filterscope.pipeline.datasets.masks import import_masks
from filterscope.pipeline.datasets.panoptic import import_panoptic
from filterscope.pipeline.datasets.pascal_part import import_pascal_part
from tests.planted.matlab import save_v5, save_v73
from tests.planted.structs import structs, thing

IMPORTERS = {
    "coco": import_coco,
    "masks": import_masks,
    "labelme": import_labelme,
    "panoptic": import_panoptic,
    "cvat": import_cvat,
    "broden": import_broden,
    "landmarks": import_landmarks,
    "attributes": import_attributes,
    "animals": import_animals,
    "animals-5": import_animals,
    "animals-7.3": import_animals,
    "cub": import_cub,
    "pascal-part": import_pascal_part,
}
H, W = 6, 8
COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "height": H, "width": W},
        {"id": 2, "file_name": "b.png", "height": H, "width": W}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 3, 0, 3, 3]], "bbox": [0, 0, 3, 3], "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "segmentation": {"size": [H, W], "counts": [0, 2, 46]}, "iscrowd": 1},
        {"id": 3, "image_id": 2, "category_id": 1, "segmentation": {"size": [H, W], "counts": "02^1"}},
    ],
}  # fmt: skip


PANOPTIC = {
    "images": COCO["images"],
    "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}],
    "annotations": [
        {"image_id": row["id"], "file_name": row["file_name"],
         "segments_info": [{"id": 1 + 2 * 256 + 3 * 65536, "category_id": 2}, {"id": 9, "category_id": 1}]}
        for row in COCO["images"]],
}  # fmt: skip

IMAGE_FOLDERS = {
    "cub": "images/c", "pascal-part": "JPEGImages", "animals-5": "n02084071/img", "animals-7.3": "n02084071/img",
}  # fmt: skip


def picture(path: Path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (W, H), 1 if mode == "L" else None).save(path)


def write_source(folder: Path, reader: str) -> None:
    """Write a source that the reader imports without a reject."""
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        picture(folder / IMAGE_FOLDERS.get(reader, "images") / name)
    for name, content in _texts(reader).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    if reader.startswith("animals-"):
        box = {"Wmin": 0.0, "Hmin": 0.0, "Wmax": 4.0, "Hmax": 4.0}
        rows = [{"obj": {"filename": name, "bndbox": box}, "partbox": [box]} for name in ("a.png", "b.png")]
        (save_v5 if reader == "animals-5" else save_v73)(folder / "n02084071" / "truth.mat", {"truth": rows})
    if reader == "panoptic":
        ids = np.zeros((H, W, 3), np.uint8)
        ids[:2], ids[4:, 3:6] = (1, 2, 3), (9, 0, 0)
        (folder / "panoptic").mkdir()
        for name in ("a.png", "b.png"):
            Image.fromarray(ids).save(folder / "panoptic" / name)
    if reader == "masks":
        picture(folder / "masks/a.png", "L")
        picture(folder / "masks/b.png", "L")
    if reader == "broden":
        pixels = np.zeros((H, W, 3), np.uint8)
        pixels[:2, :, 0] = 1
        Image.fromarray(pixels).save(folder / "images/a_object.png")
    if reader == "pascal-part":
        drawn = np.zeros((H, W), np.uint8)
        drawn[1:4, 1:4] = 1
        for name in ("a", "b"):
            anno = {"imname": name, "objects": structs([thing("bird", drawn, head=drawn)])}
            (folder / "Annotations_Part").mkdir(exist_ok=True)
            savemat(folder / "Annotations_Part" / f"{name}.mat", {"anno": structs([anno])}, do_compression=name == "a")


def labelme(image: str) -> dict[str, object]:
    """What LabelMe writes of an image: a polygon, a rectangle, a circle and a point, all about the pixels 1 to 3."""
    corners = [[1, 1], [4, 1], [4, 4], [1, 4]]
    shapes = {
        "polygon": corners,
        "rectangle": [[4, 4], [1, 1]],
        "circle": [[2.5, 2.5], [4, 2.5]],
        "point": [[1.5, 2.5]],
    }
    rows = [
        {
            "label": f"a {kind}",
            "points": points,
            "shape_type": kind,
            "group_id": 7 if kind in ("polygon", "point") else None,
        }
        for kind, points in shapes.items()
    ]
    return {"imagePath": f"..\\{image}", "imageHeight": H, "imageWidth": W, "imageData": None, "shapes": rows}


def cvat(image: str) -> str:
    """What CVAT writes of an image: a shape of each kind about the pixels 1 to 3."""
    return f"""<image id="0" name="{image}" width="{W}" height="{H}">
    <polygon label="a polygon" points="1,1;4,1;4,4;1,4" group_id="7"/><points label="a point" points="1.5,2.5" group_id="7"/>
    <box label="a box" xtl="1" ytl="1" xbr="4" ybr="3"/><box label="a tilted" xtl="1" ytl="2" xbr="5" ybr="4" rotation="90"/>
    <mask label="a mask" rle="1, 2, 3" left="1" top="2" width="3" height="2"/><tag label="sunny"/>
    <ellipse label="an ellipse" cx="2.5" cy="2.5" rx="1.5" ry="1.5"/></image>"""


def _texts(reader: str) -> dict[str, str]:
    objects = "image,object,category,xmin,ymin,xmax,ymax\na.png,o,cat,0,0,4,4\n"
    return {
        "coco": {"instances.json": json.dumps(COCO)},
        "labelme": {f"images/{name}.json": json.dumps(labelme(f"{name}.png")) for name in "ab"},
        "cvat": {"annotations.xml": f"<annotations>{cvat('a.png')}{cvat('b.png')}</annotations>"},
        "panoptic": {"panoptic.json": json.dumps(PANOPTIC)},
        "masks": {"labels.csv": "index,name,category\n1,cat,object\n"},
        "broden": {
            "index.csv": "image,split,ih,iw,sh,sw,object,scene\n"
            f"a.png,train,{H},{W},{H},{W},a_object.png,2\nb.png,val,{H},{W},,,,2\n",
            "label.csv": "number,name,category\n1,cat,object(1)\n2,street,scene(2)\n",
            "category.csv": "name\nobject\nscene\n",
        },
        "landmarks": {
            "landmarks.csv": "image,object,landmark,x,y,width,height\na.png,o,eye,1,2,3,2.5\nb.png,,ear,3,4,,\n",
            "objects.csv": objects,
        },
        "attributes": {
            "attributes.csv": "image,smiling,young\na.png,1,0\nb.png,,1\n",
            "labels.csv": "image,class,name,split\na.png,0,cat,train\nb.png,1,dog,val\n",
            "list_attr_celeba.txt": "2\nBald Wearing_Hat\na.png 1 -1\nb.png -1 -1\n",
        },
        "animals": {
            "landmarks.csv": "image,object,part,x,y,part_width,part_height\na.png,o,eye,1,2,3,2.5\nb.png,,ear,3,4,,\n",
            "objects.csv": objects,
        },
        "cub": {
            "images.txt": "1 c/a.png\n2 c/b.png\n",
            "bounding_boxes.txt": "1 0 0 4 4\n2 1 1 3 3\n",
            "classes.txt": "1 c\n",
            "image_class_labels.txt": "1 1\n2 1\n",
            "train_test_split.txt": "1 1\n2 0\n",
            "parts/parts.txt": "1 beak\n",
            "parts/part_locs.txt": "1 1 2 2 1\n2 1 3 3 1\n",
        },
    }.get(reader, {})  # fmt: skip
