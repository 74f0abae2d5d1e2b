"""One prediction and the maps that explain it, as a run keeps them: a file for each view and class."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers import BASELINES
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.places import listing, read_regular, signature

#: Folder of the predictions that a run has explained.
FOLDER = "explained"
#: Whose maps they are, as the table `attribution_scores` calls it.
TRAINED, RANDOM, NONE = "trained", "random", "none"


@dataclass(frozen=True)
class Explained:
    """The map of one method.

    Attributes
    ----------
    method, network : str
        Which method, and of which network: trained, random (weights in another order), or none for what looks at none.
    layer : str, optional
        Layer by whose maps it explains.
    values : float32 ndarray of shape (height, width)
        The map, of the input's size. Read from a run it is float16, divided by the largest magnitude.
    passes : float
        Forward passes that it took as long as.
    fit : float, optional
        R^2 of the method's own model of the score.
    nothing : str
        Why it says nothing; empty where it does.
    rows : tuple of mapping
        How it compares with each region, with the columns of `attribution_scores`.
    """

    method: str
    network: str
    layer: str | None
    values: np.ndarray
    passes: float
    fit: float | None
    nothing: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def signed(self) -> bool:
        """Whether the map holds what speaks against the class."""
        return bool(np.nanmin(self.values, initial=0.0) < 0)

    def row(self, region: str) -> Mapping[str, Any]:
        """Return how it compares with one region."""
        return next(row for row in self.rows if row["region"] == region)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network scores on one view, and where that comes from.

    Attributes
    ----------
    model : str
        Name of the network in the run.
    image, view : int
        Numbers of the image and of the view.
    file : str
        File of the image, below the data set.
    target : int
        Index of the class whose score is explained.
    name : str
        Its name.
    rank, classes : int
        Place of its score, 1 for the highest, among how many.
    score, probability : float
        Its score before any softmax, and after.
    top : tuple of (int, str, float, float)
        Index, name, score and probability of the classes of highest score, highest first.
    pixels : uint8 ndarray of shape (height, width, 3)
        The view as the network sees it.
    regions : mapping of str to bool ndarray of shape (height, width)
        Annotated regions that the view shows.
    found : tuple of Explained
        The maps: those of each method, of the trained network and of the random one, then those of no network.
    weights, data : str
        Digests of the weights and of the data set.
    """

    model: str
    image: int
    view: int
    file: str
    target: int
    name: str
    rank: int
    classes: int
    score: float
    probability: float
    top: tuple[tuple[int, str, float, float], ...]
    pixels: np.ndarray
    regions: Mapping[str, np.ndarray]
    found: tuple[Explained, ...]
    weights: str
    data: str

    @property
    def methods(self) -> list[str]:
        """The methods whose maps there are."""
        return [one.method for one in self.found if one.network == TRAINED]

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The map of each method, float32 of shape (height, width)."""
        return {one.method: one.values for one in self.found if one.network == TRAINED}

    @property
    def controls(self) -> dict[str, np.ndarray]:
        """What maps stand beside: ``centre``, ``edges`` and ``random``, and ``METHOD, random network`` for each method."""
        named = {RANDOM: "{}, random network", NONE: "{}"}
        return {named[one.network].format(one.method): one.values for one in self.found if one.network != TRAINED}

    def of(self, method: str, network: str) -> Explained:
        """Return one of the maps."""
        return next(one for one in self.found if (one.method, one.network) == (method, network))

    def beside(self, method: str) -> list[tuple[str, Explained]]:
        """Return the map of a method and all that it stands beside, each with what it is called."""
        own = [("this map", self.of(method, TRAINED)), ("random weights", self.of(method, RANDOM))]
        return [*own, *((name if name != "random" else "noise", self.of(name, NONE)) for name in BASELINES)]

    @property
    def place(self) -> tuple[str, str]:
        """Model, and name of the file of view and class, without its ending."""
        return self.model, f"{self.view}-{self.target}"

    def joined(self, earlier: "Prediction") -> "Prediction":
        """Return the prediction with the maps of other methods of an earlier one, unless that was of another network."""
        same = (self.weights, self.data, list(self.regions)) == (earlier.weights, earlier.data, list(earlier.regions))
        kept = [one for one in earlier.found if same and one.network != NONE and one.method not in self.methods]
        own = len(self.found) - len(BASELINES)
        return replace(self, found=(*self.found[:own], *kept, *self.found[own:]))

    def write(self, run: Path) -> None:
        """Keep it in a run; one of the same view and class is replaced."""
        stated = {name: value for name, value in vars(self).items() if name not in ("pixels", "regions", "found")}
        stated["regions"] = list(self.regions)
        stated["found"] = [
            {**{name: value for name, value in vars(one).items() if name != "values"}, "rows": list(one.rows)}
            for one in self.found
        ]
        arrays = {f"region_{n}": np.packbits(mask) for n, mask in enumerate(self.regions.values())}
        arrays |= {f"map_{n}": _half(one.values) for n, one in enumerate(self.found)}
        text = np.frombuffer(json.dumps(stated).encode(), np.uint8)
        write_arrays(_path(run, self.place), {"stated": text, "pixels": self.pixels, **arrays})

    @classmethod
    def read(cls, run: Path, place: tuple[str, str]) -> Self:
        """Read one that a run keeps.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = _path(run, place)
        try:
            arrays = read_arrays(read_regular(path))
            stated, pixels = json.loads(arrays["stated"].tobytes()), arrays["pixels"]
            shape = pixels.shape[:2]
            regions = {
                name: np.unpackbits(arrays[f"region_{n}"], count=shape[0] * shape[1]).astype(bool).reshape(shape)
                for n, name in enumerate(stated["regions"])
            }
            found = tuple(
                Explained(**{**one, "values": arrays[f"map_{n}"].reshape(shape), "rows": tuple(one["rows"])})
                for n, one in enumerate(stated["found"])
            )
            top = tuple((int(index), str(name), score, share) for index, name, score, share in stated["top"])
            return cls(**{**stated, "top": top, "pixels": pixels, "regions": regions, "found": found})
        except (ValueError, KeyError, TypeError, EOFError, OSError, BadZipFile, zlib.error) as error:
            raise InputError(
                f"{path} is damaged ({type(error).__name__}: {error}); delete it, and explain the prediction again"
            ) from None


def _path(run: Path, place: tuple[str, str]) -> Path:
    return run.joinpath(FOLDER, place[0], f"{place[1]}.npz")


def signature_of(run: Path, place: tuple[str, str]) -> list[int]:
    """Return what tells the file of a prediction from an earlier one."""
    return signature(_path(run, place))


def _half(values: np.ndarray) -> np.ndarray:
    """Return a map as float16 from -1 to 1, which is enough to draw it."""
    peak = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    return (values / peak if peak > 0 else values).astype(np.float16)


def explained(run: Path) -> Iterator[tuple[str, str]]:
    """Yield the places of the predictions that a run has explained, by model, view and class."""
    for model in sorted(listing(run / FOLDER)):
        names = (name.removesuffix(".npz") for name in listing(run / FOLDER / model) if name.endswith(".npz"))
        for name in sorted(names, key=lambda name: [int(part) for part in name.split("-") if part.isdecimal()]):
            yield model, name


__all__ = ["FOLDER", "NONE", "RANDOM", "TRAINED", "Explained", "Prediction", "explained", "signature_of"]
