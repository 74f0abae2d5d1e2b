"""All recipes: a new one is a file in `recipes`, and a line here."""

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.training.recipe import Recipe
from filterscope.pipeline.training.recipes.capsnet import CAPSNET
from filterscope.pipeline.training.recipes.infogan import INFOGAN
from filterscope.pipeline.training.recipes.interpretable_cnn import INTERPRETABLE_CNN
from filterscope.pipeline.training.recipes.inverter import INVERTER
from filterscope.pipeline.training.recipes.plain import PLAIN
from filterscope.pipeline.training.recipes.rule_distil import RULE_DISTIL

RECIPES: tuple[Recipe, ...] = (PLAIN, INTERPRETABLE_CNN, CAPSNET, INFOGAN, INVERTER, RULE_DISTIL)


def names() -> list[str]:
    """Return the names of all recipes."""
    return [recipe.name for recipe in RECIPES]


def recipe(name: str) -> Recipe:
    """Return a recipe by its name; InputError if there is none."""
    for one in RECIPES:
        if one.name == name:
            return one
    raise InputError(f"no recipe {name!r}; recipes are {', '.join(names())}.{did_you_mean(name, names())}")


__all__ = ["RECIPES", "names", "recipe"]
