"""Reader of the animal-part set: ILSVRC animals with boxes, heads, frontal legs, and random images as negatives.

References
----------
Zhang, Cao, Shi, Wu, Zhu. Interpreting CNN knowledge via an explanatory graph. AAAI 2018: ILSVRC 2013 DET Animal-Part.
"""

from pathlib import Path

from filterscope.pipeline.datasets.animal_files import find_categories, read_categories
from filterscope.pipeline.datasets.landmarks import read_landmarks, write_landmarks
from filterscope.pipeline.datasets.reading import Progress

#: Columns of landmarks.csv with name, width and height of a part.
COLUMNS = ("part", "part_width", "part_height")


def import_animals(
    source: Path,
    folder: Path,
    *,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "ignore",
    progress: Progress | None = None,
) -> None:
    """Import the animal-part set: as published in MATLAB files, or as CSV files.

    A folder with landmarks.csv is read as by `import_landmarks`, but the columns are named part, part_width and part_height.
    Otherwise its MATLAB files are read, of version 5 or 7.3: see `pipeline.datasets.animal_files`.

    It has objects and landmarks but no concepts. Several points of one part in one box (two animals) are kept; boxes of
    any size are kept, since views drop the small ones.

    `exif` is `ignore` by default: the boxes were drawn with MATLAB, whose imread takes pixels as stored.

    Arguments and errors are those of `pipeline.datasets.landmarks.import_landmarks`; also InputError if a MATLAB file is
    damaged.
    """
    source = Path(source)
    categories = {} if (source / "landmarks.csv").exists() else find_categories(source)
    content = read_categories(source, categories) if categories else read_landmarks(source, COLUMNS)
    write_landmarks(content, source, folder, "animals", COLUMNS, in_place, group_by, exif, progress)
