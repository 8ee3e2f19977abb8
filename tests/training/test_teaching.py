"""Learning from teachers beside the labels, as a setting of a recipe."""

import csv
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spica.errors import RecipeError, WeightsError
from spica.model.checkpoint import load_weights
from spica.training.recipe import read_recipe
from spica.training.run import Progress, train

OWN_PHOTOS = ["data.name=the first field"]


@pytest.fixture
def teacher(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> Path:
    """The folder of a run to learn from; its random numbers were others."""
    train(tiny_recipe, painted_folder, tmp_path / "teacher", settings=[*OWN_PHOTOS, "run.seed=7"])
    return tmp_path / "teacher"


def taught(*teachers: Path, share: float = 1.0) -> list[str]:
    return [f"teacher.weights={[str(one) for one in teachers]}", f"teacher.share={share}"]


def learnt(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def same(first: Path, second: Path) -> bool:
    one, other = learnt(first), learnt(second)
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_teacher_changes_what_is_learnt_as_far_as_its_share_says(
    teacher: Path, tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    runs = {
        "alone": [],
        "unheard": taught(teacher, share=0.0),
        "taught": taught(teacher),
    }
    for name, settings in runs.items():
        train(tiny_recipe, painted_folder, tmp_path / name, settings=settings)
    assert same(tmp_path / "alone", tmp_path / "unheard")
    assert not same(tmp_path / "alone", tmp_path / "taught")


def test_the_card_names_what_the_teacher_was_trained_on(
    teacher: Path, tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run", settings=[*taught(teacher), "data.name=the second field"])
    told = load_weights(tmp_path / "run")[1].trained_on
    assert told.startswith("the second field: ")
    assert "; taught by a detector of the first field: " in told


def test_a_training_with_a_teacher_goes_on_after_an_interruption(
    teacher: Path, tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = taught(teacher, share=0.5)
    train(tiny_recipe, painted_folder, tmp_path / "whole", settings=settings)

    def interrupt(progress: Progress) -> None:
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, painted_folder, tmp_path / "cut", settings=settings, tell=interrupt)
    train(tiny_recipe, painted_folder, tmp_path / "cut", settings=settings, resume=True)
    assert same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("place", ["teacher", "start"])
def test_it_is_said_when_photos_held_out_were_trained_on(
    place: str, teacher: Path, tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    given = taught(teacher) if place == "teacher" else [f"start={teacher}"]
    told: list[Progress] = []
    train(tiny_recipe, painted_folder, tmp_path / "same", settings=given, tell=told.append)
    assert not any("flatter" in one.note for one in told)  # the same photos are held out
    with (teacher / "parts.csv").open(encoding="utf-8") as file:
        seen = {row["image_id"] for row in csv.DictReader(file) if row["part"] == "train"}
    train(
        tiny_recipe,
        painted_folder,
        tmp_path / "run",
        settings=[*given, 'validation.sources=["north"]'],
        tell=told.append,
    )
    (note,) = [one.note for one in told if "flatter" in one.note]
    with (tmp_path / "run" / "parts.csv").open(encoding="utf-8") as file:
        held = [row["image_id"] for row in csv.DictReader(file) if row["part"] != "train"]
    assert note == (
        f"{teacher / 'parts.csv'}: of the {len(held)} photos held out {len(seen & set(held))} were trained on:"
        " scores will flatter"
    )


def test_a_teacher_that_is_not_there_is_told_before_anything_is_written(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=taught(tmp_path / "nowhere"))
    assert not (tmp_path / "run").exists()


def test_a_share_is_a_part(tiny_recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"teacher\.share is 2"):
        read_recipe(tiny_recipe, ["teacher.share=2"])
