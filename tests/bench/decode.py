"""Decoding JPEG files into network inputs, beside other libraries that keep the pixels."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from filterscope.pipeline.views import decode as decoding
from filterscope.pipeline.views.geometry import Geometry
from tests.bench.real import image_files
from tests.bench.row import Row, interleaved

_IMAGES = 32
_SIZE = 500, 375
_GEOMETRY = Geometry("squash", (224, 224), 256, "bilinear")

Decoder = Callable[[bytes], np.ndarray]


def _simplejpeg() -> Decoder:
    import simplejpeg

    return partial(simplejpeg.decode_jpeg, fastdct=False, fastupsample=False)


def _turbojpeg() -> Decoder:
    import turbojpeg

    return partial(turbojpeg.TurboJPEG().decode, pixel_format=turbojpeg.TJPF_RGB)


def _imagecodecs() -> Decoder:
    import imagecodecs

    return imagecodecs.jpeg8_decode


def _opencv() -> Decoder:
    import cv2

    cv2.setNumThreads(1)
    return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _opencv_resized() -> Decoder:
    import cv2

    whole = _opencv()
    return lambda data: cv2.resize(whole(data), (224, 224), interpolation=cv2.INTER_AREA)


def _cykooz() -> Decoder:
    from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer

    resizer, whole = Resizer(), _simplejpeg()
    options = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.bilinear))

    def decoder(data: bytes) -> np.ndarray:
        pixels, resized = whole(data), ImageData(224, 224, PixelType.U8x3)
        source = ImageData(pixels.shape[1], pixels.shape[0], PixelType.U8x3, pixels.tobytes())
        resizer.resize(source, resized, options)
        return np.frombuffer(resized.get_buffer(), np.uint8).reshape(224, 224, 3)

    return decoder


def _draft(data: bytes) -> np.ndarray:
    """Decode at half size where that is no smaller than the input: PIL's own short cut, with other pixels."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (224, 224))
    return np.asarray(image)


#: Other ways: what gives the decoder, or raises ImportError or OSError where it is not installed.
_OTHERS: dict[str, Callable[[], Decoder]] = {
    "simplejpeg": _simplejpeg,
    "turbojpeg": _turbojpeg,
    "imagecodecs": _imagecodecs,
    "opencv": _opencv,
    "opencv, its resize": _opencv_resized,
    "simplejpeg, cykooz_resizer": _cykooz,
    "PIL draft": lambda: _draft,
}


def _decode_files(decoder: Decoder, files: list[Path]) -> np.ndarray:
    """Decode with another library, and resize with PIL what is not of the input's size."""
    images = [Image.fromarray(decoder(file.read_bytes())) for file in files]
    return np.stack([_GEOMETRY.image(image) if image.size != (224, 224) else np.asarray(image) for image in images])


def _jpegs(folder: str) -> list[Path]:
    files = []
    for number, file in enumerate(image_files()[:_IMAGES]):
        files.append(Path(folder) / f"{number}.jpg")
        Image.open(file).convert("RGB").resize(_SIZE).save(files[-1], quality=90)
    return files


def _rows(files: list[Path]) -> Iterator[Row]:
    """Measure each way on the files, interleaved."""
    runs: dict[str, Callable[[], np.ndarray]] = {"": lambda: decoding.decode(files, _GEOMETRY).pixels}
    missing = []
    for name, opened in _OTHERS.items():
        try:
            runs[name] = partial(_decode_files, opened(), files)
        except (ImportError, OSError, RuntimeError):
            missing.append(name)
    expected = runs[""]().astype(int)
    apart = {name: int(np.abs(run() - expected).max()) for name, run in runs.items()}
    rates = dict(zip(runs, (len(files) / seconds for seconds in interleaved(list(runs.values()))), strict=True))
    alike = {name: rate for name, rate in rates.items() if name and apart[name] <= 1}
    fastest = max(alike, key=alike.__getitem__, default="")
    peer = f"{fastest} {alike[fastest]:.0f}" if fastest else ""
    without = f"; not installed: {', '.join(missing)}" if missing else ""
    yield Row("decode", rates[""], "images/s", peer + without, rates[""] / alike[fastest] if fastest else None, ">= 1")
    for name in list(runs)[1:]:
        yield Row(
            f"decode.{name}", rates[name], "images/s", f"{apart[name]} grey levels apart", rates[name] / rates[""]
        )


def decode() -> Iterator[Row]:
    """Decode JPEG files of 500 x 375 into 224 x 224 pixels, images a second on one core."""
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        yield from _rows(_jpegs(folder))
