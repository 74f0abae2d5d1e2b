"""Pages of images: annotations are those of the data set, units those of the tables; large pictures and what lies over them."""

import base64
import shutil
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.pages.images import fired
from filterscope.jobs.report.pictures import LARGE, drawn_size, shown_images
from filterscope.jobs.report.place import ReportPlace, image_place
from filterscope.jobs.report.render import significant
from filterscope.jobs.report.sections.heat import coarser, heat_maps, quantised
from filterscope.jobs.report.sections.labelled import annotations, images_with
from filterscope.jobs.report.site import report_stage
from filterscope.jobs.report.thumbnails import Look, slots_of
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask
from filterscope.pipeline.methods.significance.trust import STANDINGS, standing
from filterscope.pipeline.run.folder import RunFolder
from tests.jobs.report.pages import Page, called, filled
from tests.planted.hostile import FILE


def plan_of(run):
    return RunFolder.existing(run).plan()


def where_of(run, site):
    plan = plan_of(run)
    looks = {Look.of(plan, model).key: slots_of(plan, Look.of(plan, model)) for model in plan.models}
    return ReportPlace(plan, site, tuple((key, f"test {run}") for key in looks))


def labelled_pixels(data, image):
    """Return concept -> mask of an image, by drawing every segment."""
    names = {row["concept"]: row["name"] for row in data.concepts.to_pylist()}
    size = data.images["height"][image].as_py(), data.images["width"][image].as_py()
    drawn = {}
    for row in data.segments(image, image + 1):
        mask = np.ones(size, bool) if row["mask"] is None else decode_mask(row["mask"], *size)
        name = names[row["concept"]]
        drawn[name] = drawn.get(name, np.zeros(size, bool)) | mask
    return drawn


def test_every_image_shown_has_a_page_with_the_annotations_of_the_data_set(hostile_run, site):
    plan = plan_of(hostile_run)
    data, shown = Dataset(plan.data), slots_of(plan, Look.of(plan, plan.models[0])).view.tolist()
    assert len(shown) > 12
    assert {path.stem for path in (site / "i").glob("*.html")} == set(map(str, shown))
    for image in shown:
        page = Page(site.joinpath(*image_place(image)))
        masks = labelled_pixels(data, image)
        listed = {cells[0]: cells[1:] for cells in page.sections["annotations"][1:]}
        stated = {name: [f"{mask.sum():,}", f"{100 * mask.mean():.2f}"] for name, mask in masks.items()}
        assert len(listed) == len(stated) >= 1
        for name, cells in stated.items():
            assert [found for said, found in listed.items() if said.strip().startswith(f"{name} ")] == [cells]
        assert FILE.format(image) in page.texts["annotations"] + page.text
        assert f"Image {image} · 32 × 32" in page.text


def test_units_that_fire_are_those_of_the_table_those_of_most_worth_first(hostile_run, site):
    rows = schemas.scan_unit_image(hostile_run).collect().to_dicts()
    above = {}
    for row in rows:
        key = f"{row['layer']} {row['unit']}"
        above.setdefault(row["image"], {})[key] = significant(row["maximum"])
    units = schemas.scan_units(hostile_run).collect()
    judged = schemas.scan_unit_significance(hostile_run).collect()
    worth = {
        f"{row['layer']} {row['unit']}": standing(row)
        for row in units.join(judged, on=["model", "layer", "unit"], how="left").to_dicts()
    }
    ranks = {
        (row["image"], f"{row['layer']} {row['unit']}"): str(row["rank"] + 1)
        for row in schemas.scan_top_images(hostile_run).collect().to_dicts()
    }
    seen = 0
    for path in (site / "i").glob("*.html"):
        listed = [cells for cells in Page(path).sections["units"][1:] if cells]
        assert {cells[0]: cells[5] for cells in listed} == above.get(int(path.stem), {})
        assert [cells[2] for cells in listed] == [worth[cells[0]] for cells in listed]
        places = [STANDINGS.index(cells[2]) for cells in listed]
        assert places == sorted(places)
        assert [cells[4] for cells in listed] == [ranks.get((int(path.stem), cells[0]), "–") for cells in listed]
        seen += len(listed)
    assert seen > 10


def test_a_page_lists_the_best_of_many_units_and_counts_all(hostile_run, site, monkeypatch):
    where = where_of(hostile_run, site)
    image = schemas.scan_unit_image(hostile_run).collect()["image"].mode()[0]
    total, listed = fired(where, [image])[image]
    monkeypatch.setattr("filterscope.jobs.report.pages.images.UNITS", 1)
    assert total == len(listed) > 1
    assert fired(where, [image])[image] == (total, listed[:1])


def test_scripts_hold_names_outlines_and_frames(hostile_run, site):
    data = Dataset(plan_of(hostile_run).data)
    for path in (site / "i").glob("*.js"):
        text = path.read_text()
        assert "<" not in text
        assert text.isascii()
        image, facts = called(path)
        assert facts["name"] == FILE.format(image)
        assert (facts["width"], facts["height"], facts["drawn"], facts["frames"]) == (32, 32, [512, 512], {})
        for name, _, page, outline in facts["concepts"]:
            assert (site / page).is_file()
            mask = labelled_pixels(data, image)[name]
            assert (np.kron(mask, np.ones((16, 16), bool)) != filled(outline, 512)).mean() < 0.02


def test_frames_lie_where_the_views_of_objects_do(graph_run, graph_site):
    """Crops are 64 x 64 pixels from (16, 16) of images of 96 x 96; every one is there mirrored too."""
    shown = 0
    for path in (graph_site / "i").glob("*.js"):
        image, facts = called(path)
        for view, frame in facts["frames"]["squash"].items():
            assert int(view) // 2 == image
            assert frame == [0.16667, 0.16667, 0.66667, 0.66667, int(view) % 2]
            shown += 1
    plan = plan_of(graph_run)
    assert shown == len(slots_of(plan, Look.of(plan, plan.models[0])).view)


def test_large_pictures_are_whole_and_in_their_own_proportions():
    assert drawn_size(480, 640) == (512, 384)
    assert drawn_size(1, 100_000) == (512, 1)
    assert drawn_size(32, 32) == (512, 512)


def test_a_large_picture_is_the_image(hostile_run, site):
    data = Dataset(plan_of(hostile_run).data)
    for path in (site / "i").glob("*.webp"):
        picture = np.asarray(Image.open(path).convert("RGB"), float)
        stored = np.asarray(Image.open(data.path(data.images["uri"][int(path.stem)].as_py())).convert("RGB"), float)
        assert picture.shape == stored.shape
        assert np.abs(picture - stored).mean() < 12  # of 255: a small picture of hard edges, compressed
    assert LARGE >= 480


def test_maps_are_the_tables_in_256_levels(hostile_run, site):
    tops = schemas.scan_top_images(hostile_run).filter(layer="1").sort("unit", "rank").collect()
    limits = dict(
        schemas.scan_thresholds(hostile_run).filter(layer="1").select("unit", "threshold").collect().iter_rows()
    )
    compared = 0
    for path in (site / "m" / "planted" / "1").glob("maps-*.js"):
        _, block = called(path)
        assert block["shape"] == [32, 32]
        assert block["grid"] == [[1 / 64, 1 / 32]] * 2
        for offset, (low, high, threshold, views, text) in enumerate(block["units"]):
            mine = tops.filter(unit=block["first"] + offset)
            assert views == mine["view"].to_list()
            assert threshold == limits[block["first"] + offset]
            stored = np.stack([np.frombuffer(one, "<f2").reshape(32, 32) for one in mine["map"]]).astype(float)
            drawn = np.frombuffer(base64.b64decode(text), np.uint8).reshape(stored.shape)
            assert (low, high) == (stored.min(), stored.max())
            assert np.abs(low + drawn * (high - low) / 255 - stored).max() <= (high - low) / 510 + 1e-6
            compared += 1
    assert compared == 3


def test_maps_lie_where_receptive_fields_do_if_the_run_anchors_there(hostile_run):
    """Layer 1 of the planted network has a position for each of 32 input pixels, but its field may be off the middle."""
    plan = plan_of(hostile_run)
    model, layer = plan.models[0], plan.models[0].layers[1]
    other = heat_maps(plan.with_options(anchoring="receptive_field"), model, layer, 0, 1)
    centre, stride = layer.field.centre[0], layer.field.stride[0]
    assert other["grid"][0] == pytest.approx([(centre + 0.5) / 32, stride / 32], abs=1e-6)


def test_large_maps_keep_their_maxima():
    maps = np.zeros((1, 5, 4), np.float32)
    maps[0, 1, 1], maps[0, 4, 3], maps[0, 2, 0] = 3, 7, -1
    assert coarser(maps, 2)[0].tolist() == [[3, 0], [0, 0], [0, 7]]
    assert coarser(maps, 1) is maps
    coded, low, high = quantised(np.full((1, 2, 2), 0.25, np.float32))
    assert (coded.tolist(), low, high) == ([[[0, 0], [0, 0]]], 0.25, 0.25)


@pytest.fixture
def amounts(tmp_path):
    """Images of two sizes with ever more of a concept, in parts that overlap, and one that is labelled as a whole."""
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}) as out:
        some, whole = out.concept("some", "object"), out.concept("all", "scene")
        for place, (side, extent) in enumerate([(20, 5), (40, 6), (20, 9), (20, 2)]):
            Image.fromarray(np.full((side, side, 3), place, np.uint8)).save(tmp_path / f"{place}.png")
            image = out.image(tmp_path / f"{place}.png", name=f"{place}.png")
            mask = np.zeros((side, side), bool)
            mask[:extent, :extent] = True
            out.segment(image, some, mask)
            out.segment(image, some, mask[::1, ::-1][:, ::-1])
            if place == 1:
                out.segment(image, whole, None)
    return tmp_path / "data"


def test_exemplars_are_the_images_with_most_of_a_concept(amounts):
    """Of what a network sees: 36 of 1,600 pixels are less than 25 of 400."""
    plan = SimpleNamespace(data=amounts)
    assert images_with(plan, ["some"], np.array([3, 2, 1, 0]), 3) == {"some": [2, 0, 1]}
    assert images_with(plan, ["some", "all"], np.arange(2), 5) == {"some": [0, 1], "all": [1]}


def test_pixels_of_a_concept_are_counted_once_where_its_masks_overlap(amounts):
    found = [
        (one.image, one.concept, one.pixels, one.share, bool(one.masks))
        for one in annotations(Dataset(amounts), range(4))
    ]
    assert found == [
        (0, "some", 25, 25 / 400, True),
        (1, "some", 36, 36 / 1600, True),
        (1, "all", 1600, 1.0, False),
        (2, "some", 81, 81 / 400, True),
        (3, "some", 4, 4 / 400, True),
    ]


def test_a_concepts_page_shows_its_images_by_what_they_hold_of_it(hostile_run, site):
    data = Dataset(plan_of(hostile_run).data)
    page = Page(site / "c" / "grey.html")
    shown = [
        int(tag["href"].split("/")[-1][:-5]) for name, tag in page.tags if name == "a" and tag.get("class") == "opens"
    ]
    shares = [labelled_pixels(data, image)["grey"].mean() for image in shown]
    assert len(shown) == 12
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0 > shares[-1] or len(set(shares)) == 1


def test_the_grid_holds_every_image_shown_and_what_each_holds(hostile_run, site):
    (grid,) = called(site / "images.js")
    data = Dataset(plan_of(hostile_run).data)
    images = [image for image, *_ in grid["images"]]
    assert {path.stem for path in (site / "i").glob("*.html")} == set(map(str, images))
    assert [name for _, name, *_ in grid["images"]] == [FILE.format(image) for image in images]
    slots = slots_of(plan_of(hostile_run), Look.of(plan_of(hostile_run), plan_of(hostile_run).models[0]))
    assert [slots.view[slot] for _, _, _, slot, _ in grid["images"]] == images
    for name, _, _, places in grid["concepts"]:
        holds = {
            image: labelled_pixels(data, image)[name].mean() for image in images if name in labelled_pixels(data, image)
        }
        assert [images[place] for place in places] == sorted(holds, key=lambda image: (-holds[image], image))


def test_pages_of_images_are_written_again_when_their_tables_change_but_their_pictures_are_not(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run, ignore=shutil.ignore_patterns("activations.zarr", "report"))
    before = {(key.place, key.fingerprint.digest) for key in report_stage(plan_of(run), tmp_path / "site").keys}
    file = next((run / "tables" / "unit_image").rglob("*.parquet"))
    pl.read_parquet(file).head(1).write_parquet(file)
    after = {(key.place, key.fingerprint.digest) for key in report_stage(plan_of(run), tmp_path / "site").keys}
    anew = {place[0] for place, _ in after - before}
    assert "images" in anew
    assert not {"pictures", "grid", "thumbnails"} & anew


def test_where_the_data_set_is_gone_no_image_is_shown(hostile_run, tmp_path, monkeypatch):
    monkeypatch.setattr("filterscope.jobs.report.thumbnails.images_at_hand", lambda plan: False)
    plan = plan_of(hostile_run)
    stage = report_stage(plan, tmp_path / "site")
    assert not {"pictures", "images"} & {key.place[0] for key in stage.keys}
    assert "grid" in {key.place[0] for key in stage.keys}
    assert shown_images(ReportPlace(plan, tmp_path / "site", ((Look.of(plan, plan.models[0]).key, ""),))) == []
