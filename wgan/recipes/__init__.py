"""The GANs that can be trained, by name. Every module in this folder that has `RECIPES` adds to them."""

import importlib
import pkgutil

from wgan.recipes.recipe import Recipe

__all__ = ["DEFAULT", "RECIPES", "Recipe"]

DEFAULT = "wgan_gp"


def _declared():
    found, places = {}, {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        recipes = getattr(importlib.import_module(f"{__name__}.{module}"), "RECIPES", ())
        if isinstance(recipes, Recipe):
            raise ValueError(f"RECIPES in {module}.py is a recipe, not a tuple of them: put a comma after Recipe(...)")
        for recipe in recipes:
            if recipe.name in found:
                raise ValueError(f"two recipes are called {recipe.name}, in {places[recipe.name]}.py and {module}.py")
            found[recipe.name], places[recipe.name] = recipe, module
    return {DEFAULT: found.pop(DEFAULT), **found}


RECIPES = _declared()  # a program may add its own
