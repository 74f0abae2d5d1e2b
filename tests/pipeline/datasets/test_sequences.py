"""A data set that looks like frames of sequences is told of, unless its images have groups."""

import io

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.datasets.sequences import _starts, near_alike, sequence_note
from tests.planted import videos
from tests.planted.videos import write_video


def test_a_drawn_video_is_told_of_with_what_to_do(tmp_path):
    note = sequence_note(write_video(tmp_path / "data", videos.shaken()))
    assert note is not None
    share = int(note.split()[1])
    assert 85 <= share <= 100
    assert note == (
        f"note: {share} % of neighbouring images look like frames of one sequence. Frames are not independent evidence: "
        "import again with --group-by folder|REGEX|CSV, or labels will look more certain than they are"
    )


def test_cameras_that_alternate_are_told_of_as_images_two_apart(tmp_path):
    frames = videos.interleaved(videos.panned(seed=1), videos.watched(seed=2))
    assert " % of images 2 apart look like" in (sequence_note(write_video(tmp_path / "data", frames)) or "")


def test_groups_silence_it_even_where_some_images_have_none(tmp_path):
    grouped = write_video(tmp_path / "data", videos.shaken(), lambda name: "a" if name < "00100" else None)
    assert near_alike(grouped)[0] > 0.8
    assert sequence_note(grouped) is None


def test_photographs_are_not(tmp_path):
    assert sequence_note(write_video(tmp_path / "data", videos.independent(100))) is None


@pytest.mark.parametrize("images", [1, 2, 3, 4, 7, 27])
def test_few_images_are_not(images, tmp_path):
    assert sequence_note(write_video(tmp_path / "data", videos.shaken(1, images))) is None


def test_the_same_is_told_each_time(tmp_path):
    data = write_video(tmp_path / "data", videos.bursts(60))
    assert near_alike(data) == near_alike(Dataset(data.folder))


def test_files_that_cannot_be_read_are_left_out(tmp_path):
    data = write_video(tmp_path / "data", videos.shaken())
    clean = near_alike(data)
    for number, damage in enumerate((b"", b"\xff\xd8\xff", b"%!PS", None) * 20):
        path = data.folder / "images" / f"{number:05}.jpg"
        path.unlink() if damage is None else path.write_bytes(damage)
    assert near_alike(data) == pytest.approx(clean, abs=0.06)
    for path in (data.folder / "images").iterdir():
        path.write_bytes(b"")
    assert np.isnan(near_alike(data)).all()
    assert sequence_note(data) is None


def _deep(grey):
    return Image.fromarray(grey.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("form", "made"),
    [
        ("PNG", _deep),
        ("TIFF", _deep),
        ("PNG", lambda grey: Image.fromarray(grey).convert("P")),
        ("PNG", lambda grey: Image.fromarray(grey).convert("LA")),
        ("JPEG", Image.fromarray),
        ("JPEG", lambda grey: Image.fromarray(grey).convert("CMYK")),
        ("WEBP", Image.fromarray),
        ("GIF", Image.fromarray),
    ],
)
def test_every_kind_of_image_is_read(form, made, tmp_path):
    with DatasetWriter(tmp_path / "data", source={"reader": "planted"}) as out:
        for number, frame in enumerate(videos.shaken(6, 10)):
            file = io.BytesIO()
            made(frame[..., 1]).save(file, form)
            out.drawn(file.getvalue(), *frame.shape[:2], name=f"{number:05}.{form.lower()}")
    assert near_alike(Dataset(tmp_path / "data"))[0] > 0.6


@pytest.mark.parametrize("images", [0, 3, 4, 5, 239, 240, 241, 1001, 10**9])
def test_windows_lie_in_the_data_set_and_apart(images):
    starts = _starts(images, 0)
    assert len(starts) == min(60, images // 4)
    assert (np.diff(starts) >= 4).all()
    assert not len(starts) or (starts[0] >= 0 and starts[-1] + 4 <= images)


def test_coco_is_not_told_of(coco):
    data = Dataset(coco)
    assert np.nanmax(near_alike(data)) < 0.1
    assert sequence_note(data) is None


def test_aligned_faces_and_sorted_animals_are_not_told_of(test_data, tmp_path):
    with DatasetWriter(tmp_path / "faces", source={"reader": "planted"}, in_place=True) as out:
        for path in sorted((test_data / "faces8k" / "images").iterdir())[:1000]:
            out.image(path)
    import_animals(test_data / "animals", tmp_path / "animals", in_place=True)
    for name in ("faces", "animals"):
        assert np.nanmax(near_alike(Dataset(tmp_path / name))) < 0.15
