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


def test_an_unknown_kind_and_a_missing_method_are_errors() -> None:
    with pytest.raises(RecipeError, match="unknown kind"):
        recipe.parse(RECIPE.replace('kind = "print"', 'kind = "prints"'))
    with pytest.raises(RecipeError, match="needs a teacher"):
        recipe.parse(RECIPE.replace('{ method = "screenprint" }', "{}"))


def test_a_variant_has_steps_or_another_ones_weights() -> None:
    loaded = recipe.parse(RECIPE)
    assert [variant.id for variant in loaded.trained] == ["t"]
    assert loaded.source(loaded.variant("u")) is loaded.variant("t")
    with pytest.raises(RecipeError, match="needs steps"):
        recipe.parse(RECIPE.replace("steps = 6", ""))
    with pytest.raises(RecipeError, match="has no weights of its own"):
        recipe.parse(RECIPE.replace('weights_of = "t"', 'weights_of = "u"'))
    with pytest.raises(RecipeError, match="another network"):
        recipe.parse(RECIPE.replace('network = "tiny"\nweights_of', 'network = "small"\nweights_of'))


def test_an_artist_may_be_left_out() -> None:
    warm, cold = recipe.parse(RECIPE).effects
    assert warm.artist == "Nobody" and cold.artist == ""
    assert warm.painting == "paintings/starry_night.jpg" and cold.painting is None
