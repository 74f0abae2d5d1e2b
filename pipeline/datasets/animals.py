"""Reader of the animal-part set: ILSVRC animals with boxes, heads, frontal legs, and random images as negatives.

References
----------
Zhang, Cao, Shi, Wu, Zhu. Interpreting CNN knowledge via an explanatory graph. AAAI 2018: ILSVRC 2013 DET Animal-Part.
"""

from pathlib import Path

from filterscope.pipeline.datasets.landmarks import read_landmarks
from filterscope.pipeline.datasets.reading import Progress


def import_animals(
    source: Path,
    folder: Path,
    *,
    in_place: bool = False,
    group_by: str | Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Import the animal-part set: as `import_landmarks`, but the columns are named part, part_width and part_height.

    It has objects and landmarks but no concepts. Several points of one part in one box (two animals) are kept; boxes of
    any size are kept, since views drop the small ones.

    Arguments and errors are those of `pipeline.datasets.landmarks.import_landmarks`.
    """
    read_landmarks(Path(source), folder, "animals", ("part", "part_width", "part_height"), in_place, group_by, progress)
