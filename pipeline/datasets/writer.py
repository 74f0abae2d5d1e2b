"""The writer of data sets, which every reader fills; the layout is that of `pipeline.datasets.layout`."""

import hashlib
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pycocotools import mask as rle

from filterscope.pipeline.datasets.images import UNDECODABLE, named_format, open_image, orientation_of, shown_size
from filterscope.pipeline.datasets.names import near_pair, normal
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.places import digest_of, is_local, path_of
from filterscope.schemas.dataset import OPTIONAL, TABLES

MANIFEST = "dataset.json"
ROWS_PER_GROUP = 4096

#: Tables of a data set and those that it may have; the manifest counts the rows of these.
ALL_TABLES = {**TABLES, **OPTIONAL}

#: Tables that say something of an image.
_ANNOTATIONS = ("segments", "objects", "landmarks", "attributes")

#: Columns that hold paths; they are not part of a data set's identity.
_PLACES = ("uri", "item")

#: Columns that later versions added; where they are null, a data set keeps the identity it had without them.
_ADDED = {"landmarks": ("width", "height"), "images": ("group", "orientation")}


def absorb(digest: Any, table: str, rows: pa.Table | pa.RecordBatch) -> None:
    """Add rows of a table to its digest.

    Not the bytes of the file, nor where images lie: the same content has one identity on every machine.
    """
    for row in rows.select([name for name in ALL_TABLES[table].names if name not in _PLACES]).to_pylist():
        stated = {name: row[name] for name in row if row[name] is not None or name not in _ADDED.get(table, ())}
        digest.update(repr(stated).encode())


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a mask (bool, shape (H, W)) as COCO compressed run lengths."""
    return rle.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]


def _storable(text: str) -> str:
    """Return a text with everything that is not Unicode (a file name of other bytes, half a surrogate pair) escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


class DatasetWriter:
    """Writes a data set: rows are checked, bad ones go to `rejects` with a reason, the folder is committed at the end.

    Parameters
    ----------
    folder : path
        Where the data set will be; must not exist or be empty.
    source : dict
        How it was made (reader, paths, options); kept in the manifest.
    in_place : bool
        Refer to image files by absolute path instead of copying them.
    group_of : callable, optional
        Returns the group of an image from its name, or None for an image of its own.
    upright : bool
        Take images as their EXIF orientation shows them, in all that is said of them; else as they are stored.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        source: dict[str, Any],
        in_place: bool = False,
        group_of: Callable[[str], str | None] | None = None,
        upright: bool = False,
    ) -> None:
        if not is_local(folder):
            raise InputError(
                f"received {folder}; a data set is made in a folder of a file system: make it there and copy it, as with "
                f"`aws s3 sync FOLDER {path_of(folder)}`"
            )
        self.folder = Path(folder).absolute()
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InputError(f"{self.folder} exists and is not empty; choose another folder or remove it first")
        self._source, self._in_place, self._group_of, self._upright = source, in_place, group_of, upright
        self._partial = self.folder.with_name(f".{self.folder.name}.partial")
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ALL_TABLES}
        self._files: dict[str, pq.ParquetWriter] = {}
        self._contents = {name: hashlib.sha256() for name in ALL_TABLES}
        self._sizes: list[tuple[int, int]] = []
        self._tags: list[int] = []
        self._written: Counter[str] = Counter()
        self._reasons: dict[str, list[tuple[str, str]]] = {}
        self._near: tuple[str, str] | None = None
        self._looked = 0
        self._names: set[str] = set()
        self._concepts: dict[str, dict[str, Any]] = {}
        self._ignored: list[tuple[int, str | None, str | None, bytes | None]] = []
        self._objects = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self._partial, ignore_errors=True)
        (self._partial / "images").mkdir(parents=True)
        for name, schema in ALL_TABLES.items():
            self._files[name] = pq.ParquetWriter(self._partial / f"{name}.parquet", schema, compression="zstd")
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        try:
            if failure is None:
                self._commit()
        finally:
            for file in self._files.values():
                file.close()
            shutil.rmtree(self._partial, ignore_errors=True)

    def concept(self, name: str, category: str, level: str = "pixel") -> int:
        """Return the number of a concept, declared at its first use; the first category stays its primary one."""
        name = normal(_storable(name))
        known = self._concepts.get(name)
        if known is None:
            known = {"concept": len(self._concepts) + 1, "name": name, "category": category, "level": level}
            self._concepts[name] = known
            self._add("concepts", known)
        return int(known["concept"])

    def image(
        self, path: Path, *, name: str = "", split: str | None = None, size: tuple[int, int] | None = None
    ) -> int | None:
        """Add an image file and return its number, or None if it cannot be read and was rejected.

        Parameters
        ----------
        path : Path
            The file.
        name : str
            Path under `images/` of the data set; the file's own name by default.
        split : str, optional
            train, val, test or a name of the source.
        size : (int, int), optional
            Height and width that the source states; an image of another size is rejected.
        """
        if _storable(name or path.name) != (name or path.name):
            self.reject(str(path), "its name is not Unicode text; rename the file")
            return None
        try:
            if path.exists() and not path.is_file():
                raise OSError("it is not a regular file")  # a pipe would be waited for
            data = path.read_bytes()
            with open_image(io.BytesIO(data)) as file:
                tag = orientation_of(file)
                height, width = shown_size(file.size, tag if self._upright else None)
        except FileNotFoundError:
            self.reject(str(path), "the image file is missing")
            if path.parent.is_dir():
                self.unmatched([path.name], lambda: (file.name for file in path.parent.iterdir()))
        except UNDECODABLE as error:
            self.reject(str(path), f"not a readable image: {named_format(path) or error}")
        else:
            if size is not None and size != (height, width):
                stated = f"{size[0]} x {size[1]}"
                turned = self.exif_hint(size, (height, width), tag)
                self.reject(
                    str(path), f"the image is {height} x {width} but its source says {stated} (height x width){turned}"
                )
                return None
            return self._add_image(data, name or path.name, (height, width), split, path, tag)
        return None

    def drawn(self, data: bytes, height: int, width: int, *, name: str, split: str | None = None) -> int:
        """Add an image given as the bytes of an encoded file, and return its number."""
        return self._add_image(data, name, (height, width), split, None, 1)

    def measure(self, path: Path) -> tuple[tuple[int, int], int]:
        """Return height and width that an image file would have in the data set, and its EXIF orientation."""
        with open_image(path) as file:
            tag = orientation_of(file)
            return shown_size(file.size, tag if self._upright else None), tag

    def exif_hint(self, stated: tuple[int, int], found: tuple[int, int], tag: int) -> str:
        """Return what to try where two sizes (height, width) are the same but for a quarter turn by an EXIF orientation."""
        if stated != found[::-1] or shown_size(found, tag) == found[::-1]:
            return ""
        other = "ignore" if self._upright else "apply"
        return f"; its EXIF orientation is {tag}, a quarter turn: try --exif {other}"

    @property
    def upright(self) -> bool:
        """Whether images are taken as their EXIF orientation shows them."""
        return self._upright

    def orientation(self, image: int) -> int | None:
        """Return the EXIF orientation that is applied to an image added before; None: it is taken as stored."""
        return self._tags[image] if self._upright and self._tags[image] != 1 else None

    def tag(self, image: int) -> int:
        """Return the EXIF orientation of an image added before, applied or not."""
        return self._tags[image]

    @property
    def tagged(self) -> int:
        """Number of images whose EXIF orientation is another than 1, applied or not."""
        return sum(tag != 1 for tag in self._tags)

    def has_image(self, name: str) -> bool:
        """Return whether an image of this name was added before."""
        return Path(name).as_posix() in self._names

    def size(self, image: int) -> tuple[int, int]:
        """Return height and width of an image added before."""
        return self._sizes[image]

    def segment(self, image: int, concept: int, mask: np.ndarray | None) -> None:
        """Label the pixels of a mask (bool, at the image's own size), or with None the whole image, with a concept."""
        if mask is not None and mask.shape != self._sizes[image]:
            raise InputError(f"mask of size {mask.shape} for image {image} of size {self._sizes[image]}")
        if mask is None or mask.any():
            counts = None if mask is None else encode_mask(mask)
            self._add("segments", {"image": image, "concept": concept, "mask": counts})

    def segments(self, image: int, concepts: Sequence[int], masks: np.ndarray) -> None:
        """Label the pixels of many masks at once, which is faster than one by one.

        Parameters
        ----------
        image : int
            Number of the image.
        concepts : sequence of int
            Number of each mask's concept.
        masks : ndarray of shape (len(concepts), H, W), bool or uint8
            At the image's own size. Fastest where columns lie together in memory; an empty mask labels nothing.
        """
        if masks.shape != (len(concepts), *self._sizes[image]):
            raise InputError(
                f"masks of shape {masks.shape} for {len(concepts)} concepts of image {image} of size {self._sizes[image]}"
            )
        coded = rle.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
        for concept, mask, filled in zip(concepts, coded, rle.area(coded) > 0, strict=True):
            if filled:
                self._add("segments", {"image": image, "concept": concept, "mask": mask["counts"]})

    def ignore(
        self,
        image: int,
        mask: np.ndarray | None,
        *,
        concept: str | None = None,
        categories: Iterable[str] = (),
    ) -> None:
        """State that it is not known whether pixels are a concept, or any concept of some categories.

        They count neither as the concept nor as background. What is no concept or category in the end, because nothing is
        labelled with it, needs no such region and is left out.

        Parameters
        ----------
        image : int
            Number of the image.
        mask : bool ndarray at the image's own size, optional
            The pixels; None: the whole image.
        concept : str, optional
            Name of the concept.
        categories : iterable of str
            Names of the categories.
        """
        if mask is not None and mask.shape != self._sizes[image]:
            raise InputError(f"mask of size {mask.shape} for image {image} of size {self._sizes[image]}")
        if mask is not None and not mask.any():
            return
        counts = None if mask is None else encode_mask(mask)
        names = [normal(_storable(concept))] if concept is not None else []
        self._ignored.extend((image, name, None, counts) for name in names)
        self._ignored.extend((image, None, category, counts) for category in categories)

    def object(self, image: int, category: str, box: tuple[float, float, float, float]) -> int:
        """Add an object with its box (x0, y0, x1, y1; x1 and y1 outside) and return its number."""
        category = normal(_storable(category))
        self._objects += 1
        self._add("objects", {"image": image, "object": self._objects - 1, "category": category, "box": list(box)})
        return self._objects - 1

    def landmark(
        self,
        image: int,
        object: int | None,  # noqa: A002
        landmark: str,
        x: float,
        y: float,
        size: tuple[float, float] | None = None,
    ) -> None:
        """Add a landmark in pixels of the image, 0 at the centre of the top-left pixel; with `size`, the centre of a part.

        Parameters
        ----------
        image : int
            Number of the image.
        object : int, optional
            The object it belongs to; None: the image itself.
        landmark : str
            Its name.
        x, y : float
            Where it is, or the centre of its box.
        size : (float, float), optional
            Width and height of its box; None: a point.
        """
        landmark = normal(_storable(landmark))
        width, height = size or (None, None)
        row = {"image": image, "object": object, "landmark": landmark, "x": x, "y": y, "width": width, "height": height}
        self._add("landmarks", row)

    def attribute(self, image: int, attribute: str, value: str) -> None:
        """State a property of the whole image."""
        self._add("attributes", {"image": image, "attribute": attribute, "value": value})

    def reject(self, item: str, reason: str) -> None:
        """Record something of the source that could not be used."""
        self._add("rejects", {"stage": "import", "item": _storable(item), "reason": _storable(reason)})
        kind = re.sub(r"\d+|'.*?'", "", reason)
        self._reasons.setdefault(kind if len(self._reasons) < 1000 else "", []).append((item, reason))

    def unmatched(self, wanted: Iterable[str], there: Callable[[], Iterable[str]]) -> None:
        """Note names that were looked for in vain, and those there are, for a pair that nearly matches; the first is kept."""
        labelled = any(self._written[name] for name in _ANNOTATIONS)
        if (
            self._near is None and not labelled and self._looked < 20
        ):  # a search in a long list, for each, would take long
            self._looked += 1
            self._near = near_pair(wanted, there())

    def refuse_useless(self) -> None:
        """Raise InputError, with the commonest reason, unless there is an image and something that is said of one."""
        used = sum(self._written[name] for name in _ANNOTATIONS)
        if self._sizes and used:
            return
        what = "no image can be used" if not self._sizes else "nothing labels a pixel, an object, a point or an image"
        told = "; nothing was rejected either: the source holds no annotation"
        if self._ignored:
            told = "; what it annotates is ignored, such as 255 or void, and nothing besides"
        if self._reasons:
            rejects = max(self._reasons.values(), key=len)
            item, reason = rejects[0]
            told = f"; the commonest of {self._written['rejects']} reasons ({len(rejects)} times): {item}: {reason}"
        near = f". Nearly matching names: {self._near[0]!r} is wanted, {self._near[1]!r} is there" if self._near else ""
        raise InputError(f"{self._source.get('path', 'the source')}: {what}{told}{near}")

    def _add_image(
        self, data: bytes, name: str, size: tuple[int, int], split: str | None, path: Path | None, tag: int
    ) -> int:
        number, uri = len(self._sizes), f"images/{Path(name).as_posix()}"
        if self.has_image(name):
            raise InputError(f"two images are named {name!r}; give each image its own name")
        if self._in_place and path is not None:
            uri = str(path.resolve())
        else:
            target = self._partial / uri
            if not target.resolve().is_relative_to((self._partial / "images").resolve()):
                raise InputError(f"image name {name!r} leaves the data-set folder; rename the file")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        group = None if self._group_of is None else self._group_of(name)
        self._sizes.append(size)
        self._tags.append(tag)
        row = {
            "image": number, "uri": uri, "height": size[0], "width": size[1], "split": split, "sha256": digest,
            "group": group, "orientation": self.orientation(number),
        }  # fmt: skip
        self._names.add(Path(name).as_posix())
        self._add("images", row)
        return number

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self._rows[table].append(row)
        self._written[table] += 1
        if len(self._rows[table]) >= ROWS_PER_GROUP:
            self._flush(table)

    def _add_ignored(self) -> None:
        """Write the ignored regions of what turned out to be a concept or a category, in order of images."""
        categories = {row["category"] for row in self._concepts.values()}
        for image, name, category, mask in sorted(self._ignored, key=lambda row: row[0]):
            if category in categories:
                self._add("ignored", {"image": image, "concept": None, "category": category, "mask": mask})
            elif name in self._concepts:
                number = self._concepts[name]["concept"]
                self._add("ignored", {"image": image, "concept": number, "category": None, "mask": mask})

    def _flush(self, table: str) -> None:
        if self._rows[table]:
            rows = pa.Table.from_pylist(self._rows[table], schema=ALL_TABLES[table])
            self._files[table].write_table(rows)
            absorb(self._contents[table], table, rows)
            self._rows[table] = []

    def _commit(self) -> None:
        self._add_ignored()
        digest, tables = hashlib.sha256(), {}
        for name in ALL_TABLES:
            self._flush(name)
            self._files[name].close()
            path = self._partial / f"{name}.parquet"
            if name in TABLES or self._written[name]:
                digest.update(self._contents[name].digest())
                with path.open("rb") as file:
                    tables[name] = {"rows": self._contents[name].hexdigest(), "file": digest_of(file)}
            else:
                path.unlink()
        counts = {name: self._written[name] for name in OPTIONAL if self._written[name]}
        manifest = {"format": 1, "identity": digest.hexdigest(), "source": self._source, "tables": tables, **counts}
        (self._partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        if self.folder.exists():
            self.folder.rmdir()
        self._partial.rename(self.folder)


__all__ = ["ALL_TABLES", "MANIFEST", "ROWS_PER_GROUP", "DatasetWriter", "absorb", "encode_mask"]
