"""Tables of the one data-set layout that every reader writes and every audit reads."""

import pyarrow as pa

from filterscope.schemas.columns import column, table, tables_in

#: Categories of the Broden data set; other categories are allowed and sort after these.
CATEGORIES = ("object", "part", "scene", "material", "texture", "color")

_POINT = "the source marks a point and no box, or the data set was imported before boxes were kept"

IMAGES = table(
    column("image", pa.int32(), "number of the image, 0-based and dense"),
    column("uri", pa.string(), "image file: a path relative to the data-set folder, or an absolute path"),
    column("height", pa.int32(), "height as decoded", unit="pixel"),
    column("width", pa.int32(), "width as decoded", unit="pixel"),
    column("split", pa.string(), "train, val, test or a name of the source", null="the source has no splits"),
    column("sha256", pa.string(), "digest of the image file, hexadecimal"),
    column(
        "group",
        pa.string(),
        "what the image belongs to: a video, scene, patient or product; images of a group are not independent evidence",
        null="the image is a group of its own",
    ),
    column(
        "orientation",
        pa.int8(),
        "EXIF orientation, 2 to 8, that is applied when the file is decoded; sizes, masks, boxes and points are upright",
        null="the file is decoded as it is stored",
    ),
)

CONCEPTS = table(
    column("concept", pa.int32(), "number of the concept, from 1; 0 is never a concept"),
    column("name", pa.string(), "unique name of the concept"),
    column("category", pa.string(), "primary category: object, part, scene, material, texture, color or another"),
    column("level", pa.string(), "pixel: labels pixels; image: labels whole images"),
)

SEGMENTS = table(
    column("image", pa.int32(), "number of the image"),
    column("concept", pa.int32(), "number of the concept"),
    column("mask", pa.binary(), "COCO compressed run lengths at native resolution", null="the whole image"),
)

OBJECTS = table(
    column("image", pa.int32(), "number of the image"),
    column("object", pa.int32(), "number of the object, unique in the data set"),
    column("category", pa.string(), "what the object is, such as bird"),
    column("box", pa.list_(pa.float32(), 4), "x0, y0, x1, y1; x1 and y1 lie outside", unit="pixel"),
)

LANDMARKS = table(
    column("image", pa.int32(), "number of the image"),
    column("object", pa.int32(), "the object it belongs to", null="the landmark belongs to the image"),
    column("landmark", pa.string(), "name of the landmark, such as head"),
    column("x", pa.float32(), "0 is the centre of the leftmost pixel", unit="pixel"),
    column("y", pa.float32(), "0 is the centre of the topmost pixel", unit="pixel"),
    column("width", pa.float32(), "width of the part's box, whose centre is x, y", unit="pixel", null=_POINT),
    column("height", pa.float32(), "height of the part's box", unit="pixel", null=_POINT),
)

ATTRIBUTES = table(
    column("image", pa.int32(), "number of the image"),
    column("attribute", pa.string(), "name of the attribute"),
    column("value", pa.string(), "its value"),
)

REJECTS = table(
    column(
        "stage",
        pa.string(),
        "stage that rejected it, such as import or extract; float16: a unit whose activations become 0 in float16",
    ),
    column("item", pa.string(), "what was rejected: a file, a row of a file, an image"),
    column("reason", pa.string(), "why"),
)

#: Every table of a data set.
TABLES = tables_in(globals())

#: Tables that only data sets with rows for them have; without, these keep the identity that they had before.
OPTIONAL = {
    "ignored": table(
        column("image", pa.int32(), "number of the image"),
        column("concept", pa.int32(), "the concept that pixels may be or not", null="all concepts of a category"),
        column("category", pa.string(), "the category whose concepts pixels may be or not", null="one concept"),
        column("mask", pa.binary(), "COCO compressed run lengths at native resolution", null="the whole image"),
    )
}
