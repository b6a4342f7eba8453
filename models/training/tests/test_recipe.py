import pytest

from conftest import RECIPE
from impasto_training import recipe
from impasto_training.paths import training_root
from impasto_training.recipe import RecipeError


@pytest.mark.parametrize("path", sorted((training_root() / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: object) -> None:
    loaded = recipe.load(str(path))
    assert all(variant.width % 16 == 0 and variant.height % 16 == 0 for variant in loaded.variants)


def test_a_typing_mistake_is_an_error() -> None:
    with pytest.raises(RecipeError, match="unknown keys"):
        recipe.parse(RECIPE.replace("weight_l1", "weight_L1"))


def test_a_missing_recipe_is_an_error() -> None:
    with pytest.raises(RecipeError, match="no recipe"):
        recipe.load("nothing-like-it")
