"""Attacked images stand on the first page beside what was changed and the control, and open large."""

import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.sections.gallery import ROWS
from filterscope.pipeline.methods.vulnerable.artifacts import pictures_path
from filterscope.pipeline.methods.vulnerable.findings import gallery
from filterscope.pipeline.stores.arrays import read_arrays
from tests.audits import audit_here
from tests.jobs.report.pages import Page, written_here
from tests.pipeline.methods.test_vulnerable import drawn, entry, write
from tests.planted.victims import SIDE, weights


def images():
    """Return noise of growing contrast, so that units' maxima differ, and the classes of it."""
    pixels = drawn(8)[0].astype(float) - 128
    pixels = np.rint(128 + pixels * np.linspace(0.5, 1.5, 8)[:, None, None, None]).astype(np.uint8)
    return pixels, np.einsum("kchw,nhwc->nk", weights().astype(float), pixels / 255 - 0.5).argmax(axis=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return audit_here(
        tmp_path_factory.mktemp("gallery") / "run", models=[entry("linear")], layers="identity", methods="vulnerable",
        data=write(tmp_path_factory.mktemp("attacked") / "data", *images()), image_block=3,
        **{"vulnerable.attacks": "fgsm,lbfgs", "vulnerable.eps": "0.1,4,20", "vulnerable.tries": 6,
           "vulnerable.pictures": 3},
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(run, tmp_path_factory):
    return written_here(run, tmp_path_factory.mktemp("site") / "report")


def pictured(site, row, kind):
    key = row["attack"] if row["strength"] is None else f"{row['attack']}-{row['strength']:g}"
    folder = site / "a" / row["model"] / key
    return np.asarray(Image.open(io.BytesIO((folder / f"{row['view']}-{kind}.png").read_bytes()))), folder


def test_each_view_is_shown_under_the_smallest_strength_that_succeeds(run):
    rows, shown = schemas.scan_adversarial(run).collect(), gallery(run)
    kept = rows.filter("pictured")
    assert kept["view"].n_unique() == 3
    assert shown.height == 6
    for row in shown.filter(attack="fgsm").to_dicts():
        tried = kept.filter(view=row["view"], attack="fgsm").sort("strength")
        least = tried.filter("success")["strength"].min()
        assert row["strength"] == (20.0 if least is None else least)
        (own,) = tried.filter(strength=row["strength"]).to_dicts()
        assert (row["before"], row["after"], row["changed"]) == (
            own["probability_before"], own["probability_after"], own["success"],
        )  # fmt: skip
        assert (row["class"], row["becomes"]) == (str(own["class"]), str(own["predicted"]))


def test_units_named_are_switched_by_the_attack_and_not_by_noise(run):
    shifts = schemas.scan_view_shift(run).collect()
    assert set(shifts["rank"]) == {0, 1, 2}
    turned = shifts.filter(pl.col("switch").is_not_null() & pl.col("switch").ne_missing(pl.col("noise_switch")))
    for row in gallery(run).to_dicts():
        own = turned.filter(pl.col("strength").eq_missing(row["strength"]), view=row["view"], attack=row["attack"])
        said = (row["switched"] or "").split("; ") if row["switched"] else []
        assert sorted(said) == sorted(f"identity unit {one['unit']} {one['switch']}" for one in own.to_dicts())


def test_pictures_are_the_images_and_the_change_is_enlarged(run, site):
    for row in gallery(run).to_dicts():
        image, attacked, change = (
            pictured(site, row, kind)[0].astype(float) for kind in ("image", "attacked", "change")
        )
        assert image.shape == (SIDE, SIDE, 3)
        np.testing.assert_array_equal(image, images()[0][row["view"]])
        assert np.abs(attacked - image).max() == pytest.approx(row["grey levels"], abs=0.51)
        assert {change.min(), change.max()} & {0.0, 255.0}
        if row["attack"] == "fgsm":  # every pixel moves by as much
            assert set(np.unique(change)) <= {0.0, 255.0}
            np.testing.assert_array_equal(change > 128, attacked > image)


def test_the_page_shows_them_and_says_when_8_bits_undo_an_attack(run, site):
    page = Page(site / "index.html")
    assert "Attack gallery" in page.texts["attack-gallery"]
    links = [attributes for tag, attributes in page.tags if tag == "a" and attributes.get("data-script")]
    assert len(links) == 4 * gallery(run).height
    for link in links:
        assert (site / link["href"]).is_file()
        text = (site / link["data-script"]).read_text()
        facts = json.loads("[" + text.removeprefix("pictures.other(").removesuffix(");\n") + "]")
        assert facts[0] == link["data-script"]
        assert (site / facts[1]["page"]).is_file()
        assert facts[1]["picture"] == link["href"]
    undone = gallery(run).filter(pl.col("changed") & ~pl.col("in 8 bits")).height
    assert (site / "index.html").read_text().count("undone in 8 bits, as shown</span>") == undone
    assert undone


def test_what_is_kept_holds_more_than_8_bits(run):
    rows = schemas.scan_adversarial(run).filter(pl.col("attack") == "lbfgs", "pictured").collect()
    for row in rows.to_dicts():
        start = row["view"] // 3 * 3
        stored = read_arrays(pictures_path(run, ("planted", "lbfgs", f"images-{start:06d}")))
        at = stored["view"].tolist().index(row["view"])
        change = stored["attacked"][at] / 65535 - stored["image"][at] / 255
        assert np.linalg.norm(change) == pytest.approx(row["l2"], rel=1e-2)
    assert rows.height <= ROWS
