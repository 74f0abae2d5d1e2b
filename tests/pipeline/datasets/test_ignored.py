"""What annotations of each format say that they do not know becomes an ignored region; the right pixels, and for whom."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from filterscope.pipeline.datasets.broden import import_broden
from filterscope.pipeline.datasets.coco import import_coco
from filterscope.pipeline.datasets.cvat import import_cvat
from filterscope.pipeline.datasets.labelme import import_labelme
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask
from filterscope.pipeline.datasets.masks import import_masks
from filterscope.pipeline.datasets.painted import voc_color
from filterscope.pipeline.datasets.panoptic import import_panoptic
from filterscope.pipeline.engine.errors import InputError

H, W = 6, 8


def picture(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((H, W, 3), 90, np.uint8) if pixels is None else pixels).save(path)


def box(x0, y0, x1, y1):
    mask = np.zeros((H, W), bool)
    mask[y0:y1, x0:x1] = True
    return mask


WHOLE = box(0, 0, W, H)


def ignored(data):
    """Ignored pixels by image and concept or (category,), united."""
    names = [None, *data.concepts["name"].to_pylist()]
    found = {}
    for row in data.ignored_regions(0, data.images.num_rows):
        what = (row["category"],) if row["concept"] is None else names[row["concept"]]
        mask = WHOLE if row["mask"] is None else decode_mask(row["mask"], H, W)
        key = row["image"], what
        found[key] = found.get(key, False) | mask
    return found


def same(data, expected):
    found = ignored(data)
    assert found.keys() == expected.keys()
    for key, mask in expected.items():
        np.testing.assert_array_equal(found[key], mask, err_msg=str(key))


def opened(reader, source, target, **options):
    reader(source, target, **options)
    return Dataset(target)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data"


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 255), (np.uint16, 65535)])
def test_the_highest_index_of_a_mask_is_ignored_for_all_its_categories(tmp_path, target, dtype, value):
    source = tmp_path / "own"
    picture(source / "images" / "a.png")
    indices = np.where(box(0, 0, 3, 3), 1, np.where(box(6, 0, 8, 6), value, np.where(box(4, 4, 6, 6), 2, 0)))
    picture(source / "masks" / "a.png", indices.astype(dtype))
    (source / "labels.csv").write_text("index,name,category\n1,cat,object\n2,wood,material\n")
    data = opened(import_masks, source, target)
    same(data, {(0, ("object",)): box(6, 0, 8, 6), (0, ("material",)): box(6, 0, 8, 6)})
    # with a name of its own, it is a concept like others
    (source / "labels.csv").write_text(f"index,name,category\n1,cat,object\n2,wood,material\n{value},edge,part\n")
    assert not opened(import_masks, source, tmp_path / "named").has_ignored


@pytest.mark.parametrize("name", ["ignore", "Void", "__ignore__", "ignored regions", "don't care", "unknown"])
@pytest.mark.parametrize("index", [0, 7])
def test_a_class_named_so_is_ignored_whatever_its_index(tmp_path, target, name, index):
    source = tmp_path / "own"
    picture(source / "images" / "a.png")
    picture(
        source / "masks" / "a.png", np.where(box(0, 0, 3, 3), 1, np.where(box(5, 0, 8, 6), index, 3)).astype(np.uint8)
    )
    (source / "labels.csv").write_text(f"index,name\n1,cat\n3,dog\n{index},{name}\n")
    data = opened(import_masks, source, target)
    assert data.concepts["name"].to_pylist() == ["cat", "dog"]
    same(data, {(0, ("object",)): box(5, 0, 8, 6)})


def test_unlabelled_pixels_are_no_ignored_ones(tmp_path, target):
    source = tmp_path / "own"
    picture(source / "images" / "a.png")
    picture(source / "masks" / "a.png", box(0, 0, 3, 3).astype(np.uint8))
    (source / "labels.csv").write_text("index,name\n0,unlabeled\n1,cat\n")
    data = opened(import_masks, source, target)
    assert not data.has_ignored
    assert not (target / "ignored.parquet").exists()


def test_the_pale_edge_of_voc_is_ignored(tmp_path, target):
    source = tmp_path / "voc"
    picture(source / "JPEGImages" / "a.png")
    colours = {1: voc_color(1), 255: voc_color(255), 0: 0}
    indices = np.where(box(0, 0, 3, 3), 1, np.where(box(3, 0, 4, 3), 255, 0))
    packed = np.vectorize(colours.get)(indices)
    picture(
        source / "SegmentationClass" / "a.png",
        np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 2).astype(np.uint8),
    )
    (source / "labels.csv").write_text("index,name\n1,aeroplane\n")
    same(opened(import_masks, source, target, painted="voc"), {(0, ("object",)): box(3, 0, 4, 3)})
    # with a name of its own, it is a concept like others
    (source / "labels.csv").write_text("index,name\n1,aeroplane\n255,edge\n")
    named = opened(import_masks, source, tmp_path / "named", painted="voc")
    assert named.concepts["name"].to_pylist() == ["aeroplane", "edge"]
    assert not named.has_ignored


def annotation(number, category, segmentation=None, **more):
    row = {"id": number, "image_id": 1, "category_id": category, **more}
    return row if segmentation is None else {**row, "segmentation": segmentation}


def square(x0, y0, x1, y1):
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def coco(tmp_path, rows, **of_image):
    source = tmp_path / "coco"
    picture(source / "images" / "a.png")
    names = ("cat", "dog", "ignored regions", "bird")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": H, "width": W, **of_image}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "annotations": rows,
    }
    (source / "instances.json").write_text(json.dumps(content))
    return opened(import_coco, source, tmp_path / "data")


CAT, DOG = annotation(1, 1, square(0, 0, 2, 2)), annotation(2, 2, square(5, 3, 7, 5))


@pytest.mark.parametrize(
    ("row", "pixels"),
    [
        (annotation(9, 1, {"size": [H, W], "counts": [0, 2, 46]}, iscrowd=1), box(0, 0, 1, 2)),
        (annotation(9, 1, square(3, 1, 5, 3), ignore=1), box(3, 1, 5, 3)),
        (annotation(9, 1, bbox=[2.5, 1, 2, 2], ignore=1), box(2, 1, 5, 3)),
        (annotation(9, 1, bbox=[2.5, 1, 2, 2]), box(2, 1, 5, 3)),
        (annotation(9, 1, [[1, 1, 2, 2, 3, 3, 4]], bbox=[1, 1, 3, 2]), box(1, 1, 4, 3)),
        (annotation(9, 1, [[1, 1, 2, 2]], bbox=[1, 1, 3, 2]), box(1, 1, 4, 3)),
        (annotation(9, 1, {"size": [W, H], "counts": [48]}, bbox=[0, 0, 1, 1]), box(0, 0, 1, 1)),
        (annotation(9, 1, [[1, 1, 2, 2, 3, 3, 4]]), WHOLE),
        (annotation(9, 1, "nothing", bbox=[0, 0, float("nan"), 1]), WHOLE),
        (annotation(9, 1, "nothing", bbox=[3, 3, 0, 0]), WHOLE),
        (annotation(9, 1, "nothing", bbox=[-3, 3, 5, 2]), box(0, 3, 2, 5)),
        (annotation(9, 1, "nothing", bbox=[W + 1, 3, 5, 2]), None),
    ],
    ids=[
        "crowd",
        "ignore",
        "ignored box",
        "box alone",
        "odd polygon",
        "short polygon",
        "runs of another size",
        "no box",
        "nan",
        "empty box",
        "box over the edge",
        "box outside",
    ],
)
def test_of_coco_a_category_is_ignored_where_it_may_be(tmp_path, row, pixels):
    data = coco(tmp_path, [CAT, DOG, row])
    same(data, {} if pixels is None else {(0, "cat"): pixels})
    assert data.table("objects")["category"].to_pylist().count("cat") == 1 + (
        row.keys() == {"id", "image_id", "category_id", "bbox"}
    )


@pytest.mark.parametrize("empty", [{"iscrowd": None, "ignore": None, "keypoints": None}, {"bbox": None}, {"bbox": []}])
def test_of_coco_null_is_no_statement(tmp_path, empty):
    data = coco(tmp_path, [{**CAT, **empty}], not_exhaustive_category_ids=None, neg_category_ids=None)
    assert not data.has_ignored
    assert data.table("rejects").num_rows == 0
    assert data.table("objects")["box"].to_pylist() == [[0, 0, 2, 2]]


def test_of_coco_what_is_called_ignored_regions_is_ignored_for_all(tmp_path):
    data = coco(tmp_path, [CAT, DOG, annotation(9, 3, square(3, 1, 5, 3)), annotation(10, 3, bbox=[0, 5, 8, 1])])
    same(data, {(0, ("object",)): box(3, 1, 5, 3) | box(0, 5, 8, 6)})
    assert data.table("objects")["category"].to_pylist() == ["cat", "dog"]
    assert data.concepts["name"].to_pylist() == ["cat", "dog"]


def test_of_boxes_alone_nothing_is_ignored(tmp_path):
    """No concept says which pixels, so none needs to be told which pixels may be it."""
    data = coco(tmp_path, [DOG, annotation(9, 1, bbox=[0, 0, 2, 2])])
    assert not data.has_ignored


def test_an_image_of_lvis_is_ignored_for_what_is_not_exhaustively_labelled(tmp_path):
    other = annotation(9, 4, square(3, 1, 5, 3))
    source = tmp_path / "coco"
    picture(source / "images" / "b.png")
    data = coco(tmp_path, [CAT, DOG, other], not_exhaustive_category_ids=[1], neg_category_ids=[3, 4])
    # cat and bird are no concept anywhere: only dog is labelled
    assert not data.has_ignored
    content = json.loads((source / "instances.json").read_text())
    content["images"].append({"id": 2, "file_name": "b.png", "height": H, "width": W})
    content["annotations"] += [{**row, "image_id": 2, "id": 20 + row["id"]} for row in (CAT, other)]
    (source / "instances.json").write_text(json.dumps(content))
    same(opened(import_coco, source, tmp_path / "more"), {(0, "cat"): WHOLE, (0, "bird"): WHOLE})


def test_of_panoptic_crowds_and_void_are_ignored(tmp_path, target):
    picture(tmp_path / "images" / "a.png")
    ids = np.where(box(0, 0, 3, 3), 5, np.where(box(4, 0, 6, 6), 7, np.where(box(0, 5, 4, 6), 9, 0)))
    picture(tmp_path / "panoptic" / "a.png", np.stack([ids, 0 * ids, 0 * ids], axis=2).astype(np.uint8))
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": H, "width": W}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "sky", "isthing": 0}],
        "annotations": [{
            "image_id": 1,
            "file_name": "a.png",
            "segments_info": [
                {"id": 5, "category_id": 1, "iscrowd": 1}, {"id": 7, "category_id": 2}, {"id": 9, "category_id": 1},
            ],
        }],
    }  # fmt: skip
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    data = opened(import_panoptic, tmp_path / "panoptic.json", target)
    void = ~(box(0, 0, 3, 3) | box(4, 0, 6, 6) | box(0, 5, 4, 6))
    same(data, {(0, "cat"): box(0, 0, 3, 3), (0, ("object",)): void, (0, ("stuff",)): void})


@pytest.mark.parametrize("name", ["void", "Ignored regions"])
def test_of_panoptic_a_category_named_so_is_ignored_for_all(tmp_path, target, name):
    picture(tmp_path / "images" / "a.png")
    ids = np.where(box(0, 0, 3, 6), 5, np.where(box(3, 0, 5, 6), 7, 9))
    picture(tmp_path / "panoptic" / "a.png", np.stack([ids, 0 * ids, 0 * ids], axis=2).astype(np.uint8))
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": H, "width": W}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": name}, {"id": 3, "name": "sky", "isthing": 0}],
        "annotations": [{
            "image_id": 1,
            "file_name": "a.png",
            "segments_info": [{"id": 5, "category_id": 1}, {"id": 7, "category_id": 2}, {"id": 9, "category_id": 3}],
        }],
    }  # fmt: skip
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    data = opened(import_panoptic, tmp_path / "panoptic.json", target)
    assert data.concepts["name"].to_pylist() == ["cat", "sky"]
    assert data.table("objects")["category"].to_pylist() == ["cat"]
    same(data, {(0, ("object",)): box(3, 0, 5, 6), (0, ("stuff",)): box(3, 0, 5, 6)})


def shape(label, points, kind="polygon", group=None):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group}


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (shape("__ignore__", [[4, 0], [8, 0], [8, 2], [4, 2]]), {("object",): box(4, 0, 8, 2)}),
        (shape("__ignore__", [[4, 0], [8, 2]], "rectangle"), {("object",): box(4, 0, 8, 2)}),
        (shape("cat", [[4, 0], [7.5, 2]], "rectangle"), {"cat": box(4, 0, 8, 2)}),
        (shape("cat", [[0, 0], [2, 2]], "rectangle", 3), {}),
        (shape("cat", [[1, 1], [5, 3]], "line"), {"cat": box(1, 1, 5, 3)}),
        (shape("cat", [[1, 1], [5, 3]]), {"cat": box(1, 1, 5, 3)}),
        (shape("cat", "nowhere"), {"cat": WHOLE}),
        (shape("cat", [[4, 3], [4, 9 * H]], "circle"), {"cat": WHOLE}),
        (shape("cat", [[-3, -3], [-1, -1]], "rectangle"), {}),
        (shape("cat", [[1, 1]], "point"), {}),
        (shape("horse", [[1, 1], [5, 3]], "line"), {}),
    ],
    ids=[
        "ignore",
        "ignored box",
        "box",
        "box of a region",
        "line",
        "two points",
        "no points",
        "circle",
        "box outside",
        "point",
        "no concept",
    ],
)
def test_of_labelme_and_cvat_pixels_are_ignored_alike(tmp_path, row, expected):
    picture(tmp_path / "own" / "a.png")
    shapes = [shape("cat", SQUARE, group=3), row]
    content = {"imagePath": "a.png", "imageHeight": H, "imageWidth": W, "shapes": shapes}
    (tmp_path / "own" / "a.json").write_text(json.dumps(content))
    same(
        opened(import_labelme, tmp_path / "own", tmp_path / "data"),
        {(0, what): mask for what, mask in expected.items()},
    )


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('<polygon label="ignore" points="4,0;8,0;8,2;4,2"/>', {("object",): box(4, 0, 8, 2)}),
        ('<box label="cat" xtl="4" ytl="0" xbr="8" ybr="2"/>', {"cat": box(4, 0, 8, 2)}),
        ('<polyline label="cat" points="1,1;5,3"/>', {"cat": box(1, 1, 5, 3)}),
        ('<cuboid label="cat" xtl1="3" ytl1="1"/>', {"cat": WHOLE}),
        ('<mask label="cat" rle="1,2" left="1" top="1" width="4" height="2"/>', {"cat": box(1, 1, 5, 3)}),
        ('<box label="cat" xtl="-4" ytl="0" xbr="-1" ybr="2"/>', {}),
        ('<box label="cat" xtl="4" ytl="0" xbr="here" ybr="2"/>', {"cat": WHOLE}),
        ('<ellipse label="cat" cx="2" cy="-99" rx="2" ry="101" rotation="0"/>', {"cat": box(0, 0, 4, 2)}),
        ('<points label="cat" points="here"/>', {}),
    ],
    ids=["ignore", "box", "polyline", "cuboid", "mask", "box outside", "bad box", "ellipse", "points"],
)
def test_of_cvat_pixels_are_ignored(tmp_path, element, expected):
    picture(tmp_path / "images" / "a.png")
    cat = '<polygon label="cat" points="0,0;2,0;2,2;0,2"/>'
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image name="a.png" width="{W}" height="{H}">{cat}{element}</image></annotations>'
    )
    data = opened(import_cvat, tmp_path / "annotations.xml", tmp_path / "data")
    same(data, {(0, what): mask for what, mask in expected.items()})


def test_of_broden_a_category_is_ignored_where_its_labels_are_lost(tmp_path, target):
    source = tmp_path / "broden"
    for name in ("a.png", "b.png"):
        picture(source / "images" / name)
    layer = np.zeros((H, W, 3), np.uint8)
    layer[:2, :2, 0] = 1
    picture(source / "images" / "a_object.png", layer)
    (source / "images" / "broken.png").write_bytes(b"no image")
    (source / "index.csv").write_text(
        "image,split,ih,iw,sh,sw,object,texture\na.png,train,6,8,6,8,a_object.png,2\nb.png,train,6,8,6,8,broken.png,2\n"
    )
    (source / "label.csv").write_text("number,name,category\n1,cat,object(1)\n2,dotted,texture(2)\n")
    same(opened(import_broden, source, target), {(1, ("object",)): WHOLE})


def test_of_broden_pixels_of_a_label_named_so_are_ignored_for_its_category(tmp_path, target):
    source = tmp_path / "broden"
    picture(source / "images" / "a.png")
    layer = np.zeros((H, W, 3), np.uint8)
    layer[:2, :2, 0], layer[2:, 4:, 0] = 1, 3
    picture(source / "images" / "a_object.png", layer)
    (source / "index.csv").write_text("image,object,scene\na.png,a_object.png,2\n")
    (source / "label.csv").write_text("number,name,category\n1,cat,object(1)\n2,street,scene(1)\n3,void,object(1)\n")
    data = opened(import_broden, source, target)
    assert data.concepts["name"].to_pylist() == ["cat", "street"]
    same(data, {(0, ("object",)): box(4, 2, 8, 6)})


def test_a_data_set_without_ignored_pixels_is_what_it_was_and_one_that_lost_them_is_damaged(tmp_path):
    def written(folder, *, ignore):
        with DatasetWriter(tmp_path / folder, source={}) as writer:
            picture(tmp_path / "a.png")
            image = writer.image(tmp_path / "a.png")
            writer.segment(image, writer.concept("cat", "object"), box(0, 0, 2, 2))
            if ignore:
                writer.ignore(image, box(4, 0, 8, 2), concept="cat")
                writer.ignore(image, np.zeros((H, W), bool), concept="cat")
                writer.ignore(image, None, concept="dog", categories=("part",))
        return Dataset(tmp_path / folder)

    without, data = written("without", ignore=False), written("with", ignore=True)
    assert without.identity == without.content != data.identity == data.content
    assert (data.rows("ignored"), without.rows("ignored")) == (1, 0)
    assert without.table("ignored").num_rows == 0
    pq.write_table(data.table("ignored").slice(0, 0), data.folder / "ignored.parquet")
    assert Dataset(data.folder).content != data.identity
    (data.folder / "ignored.parquet").unlink()
    with pytest.raises(InputError, match=r"ignored.parquet is missing or damaged"):
        list(Dataset(data.folder).ignored_regions(0, 1))


def test_a_mask_of_another_size_is_refused(tmp_path):
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        picture(tmp_path / "a.png")
        image = writer.image(tmp_path / "a.png")
        with pytest.raises(InputError, match=r"mask of size \(2, 2\) for image 0 of size \(6, 8\)"):
            writer.ignore(image, np.ones((2, 2), bool), concept="cat")
