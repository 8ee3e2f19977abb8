"""Recipes: one file holds every setting, and what does not fit says so."""

from pathlib import Path

import pytest

from spica.errors import RecipeError
from spica.training.recipe import Recipe, read_recipe, recipe_from

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_project_can_be_read(path: Path) -> None:
    assert isinstance(read_recipe(path), Recipe)


def test_a_recipe_comes_back_from_what_a_run_stores() -> None:
    recipe = read_recipe(RECIPES / "wheat-mobilenet_v2.toml", ["schedule.minutes=3", "detector.backbone.weights=none"])
    assert recipe.schedule.minutes == 3
    assert recipe.detector.backbone.weights == "none"
    assert recipe_from(recipe.model_dump(mode="json"), "stored") == recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[optimiser]\nrates = 1", r"unknown setting optimiser\.rates; known are backbone_rate, clip, kind, momentum"),
        ("[detecter]\nside = 1", r"unknown setting detecter; known are data, detector, optimiser, run"),
        (
            "[detector.neck]\nstride = 1",
            r"unknown setting detector\.neck\.stride; known are blocks, channels, convolutions, kind, strides",
        ),
        ("[optimiser]\nrate = -1", r"optimiser\.rate is -1: input should be greater than 0"),
        ("[optimiser]\nkind = 'adam'", r"optimiser\.kind is 'adam'"),
        ("[schedule]\nbatch = 2", r"schedule has neither epochs nor minutes"),
        ("[detector.neck]\nkind = 'single'", r"neck\.strides has 3 entries, expected 1 for a single map"),
        (
            "[detector]\nneck = {kind = 'single', strides = [32], blocks = 1}\nanchors.sizes = [[32]]",
            r"neck\.blocks is 1, expected 0 for a single map",
        ),
        ("[detector.neck]\nstrides = [8, 16]", r"anchors\.sizes has 3 entries, expected 2"),
        ("[detector.neck]\nstrides = [16, 8, 32]", r"expected increasing strides"),
        ("[detector.anchors]\nsizes = [[8], [16], [32, 64]]", r"levels of different length"),
        ("[sample]\nmosaic = 2", r"sample\.mosaic is 2: input should be less than or equal to 1"),
        ("[sample]\nhead_sides = [90, 28]", r"sample\.head_sides is \[90\.0, 28\.0\], expected a smaller and a larger"),
        ("[optimiser]\nclip = inf", r"optimiser\.clip is inf: input should be a finite number"),
        ("[run]\nseed = 9223372036854775808", r"run\.seed is 9223372036854775808: input should be less than"),
        ("[detector.neck]\nstrides = [0, 8, 16]", r"neck\.strides\.0 is 0: input should be greater than or equal to 1"),
        ("[detector.anchors]\nratios = []", r"anchors\.ratios is \[\]: tuple should have at least 1 item"),
        ("[detector.anchors]\nsizes = [[], [], []]", r"anchors\.sizes\.0 is \[\]: tuple should have at least 1 item"),
        ("[run]\nseed = -1", r"run\.seed is -1: input should be greater than or equal to 0"),
        ("[detector.proposals]\nhead_iou = 0.25", r"background_iou is 0\.3, expected at most head_iou, 0\.25"),
        ("side = 512 px", r"not valid TOML"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("rate", "expected key=value"), ("detector.side.x=3", "side is a value"), ("=3", "expected key=value")],
)
def test_a_setting_of_the_command_line_that_makes_no_sense_is_named(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(RECIPES / "starting-system.toml", [setting])


def test_a_missing_recipe_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: cannot be read"):
        read_recipe(tmp_path / "none.toml")
