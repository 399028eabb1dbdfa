"""The GANs that can be trained, by name. Every module in this folder that has `RECIPES` adds to them."""

import importlib
import pkgutil

from wgan.recipes.recipe import Recipe

__all__ = ["DEFAULT", "RECIPES", "Recipe"]

DEFAULT = "wgan_gp"


def _declared():
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    declared = [
        recipe for name in modules for recipe in getattr(importlib.import_module(f"{__name__}.{name}"), "RECIPES", ())
    ]
    return {recipe.name: recipe for recipe in sorted(declared, key=lambda recipe: recipe.name != DEFAULT)}


RECIPES = _declared()  # a program may add its own
