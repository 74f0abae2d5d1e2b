"""The readers of data sets, each a value; the verbs `filterscope import NAME` follow from them.

A new format is a module ``NAME.py`` beside this one, with a function ``import_NAME(source, folder, **options)``; add it here.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class ReaderOption:
    """An option of a reader.

    Attributes
    ----------
    name : str
        Parameter of its function.
    help : str
        What a person reads about it, with a full stop.
    kind : {"switch", "path", "text"}
        What it takes.
    default : object
        Value where none is given; giving a switch's flag means the opposite.
    flag : str
        Its flag, where that is not made of the name.
    """

    name: str
    help: str
    kind: Literal["switch", "path", "text"] = "switch"
    default: bool | str | None = None
    flag: str = ""

    @property
    def flag_name(self) -> str:
        """Its flag, such as --in-place."""
        return self.flag or f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Reader:
    """A reader of one format.

    Attributes
    ----------
    name : str
        As in ``filterscope import NAME``; with underscores, that of its module and, after ``import_``, of its function.
    about : str
        What it reads, a sentence.
    example : str
        A command line.
    options : tuple of ReaderOption
        Its options.
    """

    name: str
    about: str
    example: str
    options: tuple[ReaderOption, ...]

    def read(self, source: Path, folder: Path, **options: Any) -> None:
        """Read a source into the layout at a folder; raises InputError if it cannot be read."""
        name = self.name.replace("-", "_")
        module = import_module(f"{__package__}.{name}")
        getattr(module, f"import_{name}")(source, folder, **options)


_COLORS = ReaderOption("colors", "Add the 11 basic colours, computed per pixel.", default=False)
_IN_PLACE = ReaderOption("in_place", "Refer to the image files instead of copying them.", default=False)
_GROUP_BY = ReaderOption(
    "group_by",
    "Which images belong together: `folder`, a regular expression on names, or a CSV with image,group.",
    "text",
)

_APPLY, _IGNORE = (
    ReaderOption(
        "exif",
        "EXIF orientation of images: `apply` turns them upright, `ignore` takes them as stored.",
        "text",
        default,
    )
    for default in ("apply", "ignore")
)

READERS: tuple[Reader, ...] = (
    Reader(
        "broden",
        "Import Broden: index.csv, label.csv, label PNGs.",
        "filterscope import broden broden1_224 data/broden",
        (_COLORS, _IN_PLACE, _GROUP_BY, _IGNORE),
    ),
    Reader(
        "coco",
        "Import a JSON in the format of COCO (instances, keypoints, boxes alone) or LVIS, and its images.",
        "filterscope import coco coco/annotations/instances_val2017.json data/coco --images coco/val2017",
        (
            ReaderOption("images", "Folder of the images, if not beside the JSON.", "path"),
            _COLORS,
            _IN_PLACE,
            _GROUP_BY,
            _APPLY,
        ),
    ),
    Reader(
        "masks",
        "Import images/ and index PNGs in masks/ with a CSV of names: VOC, ADE20K-style exports, your own data.",
        "filterscope import masks my_data data/mine --colors",
        (
            ReaderOption("names", "CSV with index,name[,category]; default labels.csv.", "path"),
            ReaderOption("category", "Category of concepts whose row states none.", "text", "object"),
            _COLORS,
            _IN_PLACE,
            ReaderOption("skip_bad", "Reject bad masks instead of stopping.", default=False),
            ReaderOption("zero_is_a_label", "Index 0 is the class that the CSV names, not unlabelled.", default=False),
            ReaderOption(
                "painted", "Colour code of painted masks: voc, ade20k, or listed (in the names file).", "text"
            ),
            ReaderOption("mask_suffix", "Ending of mask names, such as _gtFine_labelIds.", "text", ""),
            ReaderOption("image_suffix", "Ending of image names, such as _leftImg8bit.", "text", ""),
            _GROUP_BY,
            _APPLY,
        ),
    ),
    Reader(
        "panoptic",
        "Import COCO panoptic: a JSON, its images, and PNGs of ids.",
        "filterscope import panoptic panoptic_val2017.json data/coco --images val2017",
        (
            ReaderOption("images", "Folder of the images, if not images/ beside the JSON.", "path"),
            ReaderOption("masks", "Folder of the PNGs, if not the one named like the JSON.", "path"),
            _IN_PLACE,
            _GROUP_BY,
            _APPLY,
        ),
    ),
    Reader(
        "labelme",
        "Import LabelMe: a JSON beside each image.",
        "filterscope import labelme my_labels data/mine",
        (
            ReaderOption("images", "Folder of the images, if not beside the JSON files.", "path"),
            _IN_PLACE,
            _GROUP_BY,
            _APPLY,
        ),
    ),
    Reader(
        "cvat",
        "Import CVAT's XML for images: polygons, ellipses, masks, boxes, points, tags.",
        "filterscope import cvat task/annotations.xml data/task",
        (ReaderOption("images", "Folder of the images, if not images/.", "path"), _IN_PLACE, _GROUP_BY, _APPLY),
    ),
    Reader(
        "landmarks",
        "Import images/ with a landmarks.csv (image,landmark,x,y[,object]) and objects.csv (image,object,category,xmin,...).",
        "filterscope import landmarks my_points data/points",
        (_IN_PLACE, _GROUP_BY, _APPLY),
    ),
    Reader(
        "attributes",
        "Import images/ with attributes.csv (image and binary columns), CelebA's list, or labels.csv (image,class[,name]).",
        "filterscope import attributes my_faces data/faces",
        (
            ReaderOption("images", "Folder of the images, if not images/ or img_align_celeba/.", "path"),
            _IN_PLACE,
            _GROUP_BY,
            _APPLY,
        ),
    ),
    Reader(
        "animals",
        "Import the animal-part set: its MATLAB files as published, or objects.csv, landmarks.csv, images/, negatives/.",
        "filterscope import animals animals data/animals",
        (_IN_PLACE, _GROUP_BY, _IGNORE),
    ),
    Reader(
        "cub",
        "Import CUB-200-2011: boxes and part locations of birds, species as an attribute.",
        "filterscope import cub CUB_200_2011 data/cub",
        (_IN_PLACE, _GROUP_BY, _IGNORE),
    ),
    Reader(
        "pascal-part",
        "Import Pascal-Part: object and part masks as concepts, boxes, part centres as landmarks.",
        "filterscope import pascal-part pascal_part data/voc --images VOC2010/JPEGImages",
        (
            ReaderOption("images", "Folder of the images; by default SRC/JPEGImages.", "path"),
            ReaderOption("merge", "Parts as annotated, not merged as published.", default=True, flag="--raw-parts"),
            _IN_PLACE,
            _GROUP_BY,
            _IGNORE,
        ),
    ),
)

__all__ = ["READERS", "Reader", "ReaderOption"]
