"""Every concept that the sample can hold, in the order of their numbers, so that they do not depend on the images drawn."""

from filterscope.operators.images.colors import COLORS
from filterscope.pipeline.datasets.sample import animals, backdrops, buildings, furniture, people, plants, vehicles
from filterscope.pipeline.datasets.sample.materials import MATERIALS
from filterscope.pipeline.datasets.sample.paint import Label
from filterscope.pipeline.datasets.sample.scenes import SCENES
from filterscope.pipeline.datasets.sample.textures import TEXTURES

#: Objects and the parts they are made of.
OBJECTS: dict[str, tuple[str, ...]] = {
    "balloon": vehicles.BALLOON,
    "bicycle": vehicles.BICYCLE,
    "bird": animals.BIRD,
    "boat": vehicles.BOAT,
    "car": vehicles.CAR,
    "cat": animals.CAT,
    "chair": furniture.CHAIR,
    "fish": animals.FISH,
    "flower": plants.FLOWER,
    "house": buildings.PARTS,
    "lamp": furniture.LAMP,
    "parasol": furniture.PARASOL,
    "person": people.PARTS,
    "tree": plants.TREE,
}
#: Parts that several objects have are one concept.
PARTS = tuple(dict.fromkeys(part for parts in OBJECTS.values() for part in parts))

CONCEPTS: tuple[Label, ...] = (
    *((name, "object") for name in (*OBJECTS, *backdrops.STUFF)),
    *((name, "part") for name in PARTS),
    *((name, "scene") for name in SCENES),
    *((name, "material") for name in MATERIALS),
    *((name, "texture") for name in TEXTURES),
    *((name, "color") for name in COLORS),
)
