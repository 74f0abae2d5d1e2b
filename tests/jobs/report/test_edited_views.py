"""Edited regions stand on the first page beside the view and the control; the pictures are what was scored."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.render import slug
from filterscope.jobs.report.sections.gallery import ROWS
from filterscope.pipeline.methods.bias.findings import pictured
from tests import planted
from tests.jobs.report.pages import Page, written_here
from tests.pipeline.methods.test_bias import NAMES, run, squares

__all__ = ["run", "squares"]


@pytest.fixture(scope="module")
def site(run, tmp_path_factory):
    return written_here(run, tmp_path_factory.mktemp("site") / "report")


def scored(pixels, attribute):
    with torch.no_grad():
        image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
        return float(planted.classifier()(image)[0, NAMES.index(attribute)])


def pixels(site, row, kind):
    folder = site / "a" / row["model"] / slug(row["attribute"]) / slug(row["region"]) / row["edit"]
    return np.asarray(Image.open(io.BytesIO((folder / f"{row['view']}-{kind}.png").read_bytes())))


def test_one_view_of_each_attribute_region_and_edit_is_kept_whatever_it_shows(run):
    keys = ["model", "attribute", "region", "edit"]
    rows, edits = schemas.scan_edited_views(run).collect(), schemas.scan_region_edits(run).collect()
    assert sorted(rows.select(keys).iter_rows()) == sorted(edits.select(keys).iter_rows())
    assert set(rows["view"]) <= set(range(1, 16, 2)), "red is on every second view"
    shown = pictured(run)
    assert shown.height == rows.height
    assert shown["effect"].is_sorted(descending=True)


def test_the_pictures_are_what_was_scored(run, site):
    rows = pictured(run).head(ROWS).to_dicts()
    assert {row["edit"] for row in rows} == {"grey", "mask", "paste"}
    for row in rows:
        for kind, score in (("image", "before"), ("edited", "after"), ("control", "under control")):
            assert scored(pixels(site, row, kind), row["attribute"]) == pytest.approx(row[score], abs=1e-4), (row, kind)
        image, edited = pixels(site, row, "image"), pixels(site, row, "edited")
        if row["edit"] == "grey" and row["region"] == "left":
            assert (edited[4:12, 4:12] == 128).all()
            edited = edited.copy()
            edited[4:12, 4:12] = image[4:12, 4:12]
            np.testing.assert_array_equal(edited, image)


def test_the_page_hangs_them_with_their_scores(run, site):
    page = Page(site / "index.html")
    links = [attributes for tag, attributes in page.tags if tag == "a" and attributes.get("data-script")]
    assert len(links) == 3 * min(ROWS, pictured(run).height)
    for link in links:
        assert (site / link["href"]).is_file()
        assert (site / link["data-script"]).is_file()
    row = pictured(run).row(0, named=True)
    text = page.texts["edited-views"]
    assert f"{row['attribute']} {row['before']:+.2f}" in text
    assert f"{row['edit']} {row['region']}: {row['after']:+.2f}" in text
    assert f"control: {row['under control']:+.2f}" in text
