"""An audit says before its work that images without groups look like frames of sequences."""

import pytest

import filterscope
from tests import planted
from tests.audits import audit_here
from tests.frontdoor.conftest import SEEN
from tests.planted import PLANTED, videos
from tests.planted.videos import write_video

SAID = "look like frames of one sequence"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "data", videos.shaken(6, 20)).folder


@pytest.fixture
def asked(video):
    return {"models": [PLANTED], "layers": "1", "methods": "dissection", "min_images": 3}


def test_a_video_without_groups_is_told_of_before_the_work(video, asked, tmp_path, capfd):
    audit_here(tmp_path / "run", data=video, **asked)
    told = capfd.readouterr().err
    assert told.count(SAID) == 1
    assert "--group-by folder|REGEX|CSV" in told
    assert told.index(SAID) < told.index("extract ")
    audit_here(tmp_path / "run", data=video, **asked)
    assert SAID not in capfd.readouterr().err  # nothing was left to do


def test_one_with_groups_is_not(asked, tmp_path, capfd):
    frames = videos.shaken(6, 20)
    data = write_video(tmp_path / "data", frames, lambda name: f"scene {int(name[:5]) // 20}").folder
    audit_here(tmp_path / "run", data=data, **asked)
    told = capfd.readouterr().err
    assert "extract " in told
    assert SAID not in told


def test_the_python_front_door_tells_it_too(video, asked, tmp_path, capfd):
    del asked["models"]
    filterscope.audit(planted.network(), video, out=tmp_path / "run", actors=0, **SEEN, **asked)
    assert SAID in capfd.readouterr().err
