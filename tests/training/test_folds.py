"""Leaving one source out after the other: what is trained, judged and tabulated."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from spica.cli import app
from spica.errors import AnnotationError, RecipeError
from spica.images import read_image
from spica.labels.folder import read_labels, write_labels
from spica.labels.labelled import Labels
from spica.labels.parts import PARTS_TABLE, read_parts
from spica.model.checkpoint import load_detect
from spica.training import folds
from spica.training.folder import RECIPE_NAME
from spica.training.folds import FOLDS_TABLE, FoldRow, proposal_recall, train_folds
from spica.training.judging import EVALUATION_NAME
from spica.training.recipe import Recipe, read_recipe
from spica.training.run import Progress, Tell, train
from spica.training.saving import CHECKPOINT_NAME

SETTINGS = ["run.evaluate_steps=100", "schedule.epochs=0.5"]


def silent(_source: str) -> Tell:
    return lambda _progress: None


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / FOLDS_TABLE).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.filterwarnings("ignore")
def test_each_source_is_judged_by_a_detector_that_never_saw_it(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "folds"
    result = train_folds(tiny_recipe, painted_folder, out, settings=SETTINGS, tell=silent)
    labels, _ = read_labels(painted_folder)
    sources = sorted({image.source for image in labels})
    assert [row.source for row in result] == [row["source"] for row in rows(out)] == sources
    for row in result:
        held = {image.id for image in labels if image.source == row.source}
        parts = read_parts(out / row.source / PARTS_TABLE)
        assert {photo for photo, part in parts.items() if part == "held_out"} == held
        assert row.images == len(held)
        assert row.heads == sum(image.heads for image in labels if image.id in held)
        assert row.score_low <= row.score <= row.score_high
        assert 0 <= row.recall_75 <= row.recall_50 <= 1
        assert row.seconds > 0


@pytest.mark.filterwarnings("ignore")
def test_folds_go_on_where_they_stopped(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    out, trained = tmp_path / "folds", []

    def telling(source: str) -> Tell:
        def tell(_progress: Progress) -> None:
            trained.append(source)
            if len(set(trained)) == 2:
                raise KeyboardInterrupt

        return tell

    with pytest.raises(KeyboardInterrupt):
        train_folds(tiny_recipe, painted_folder, out, settings=SETTINGS, tell=telling)
    first = trained[0]
    assert [row["source"] for row in rows(out)] == [first]
    begun: list[str] = []

    def noting(source: str) -> Tell:
        begun.append(source)
        return silent(source)

    result = train_folds(tiny_recipe, painted_folder, out, settings=SETTINGS, resume=True, tell=noting)
    assert first not in begun
    assert len(result) == len(begun) + 1


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Labels]:
    """Fold by fold the labels that are judged by, where nothing is trained, but files say that it was."""
    seen: list[Labels] = []

    def pretend(recipe: Path, _data: object, out: Path, *, settings: Sequence[str], **_: object) -> None:
        out.mkdir()
        (out / RECIPE_NAME).write_text(read_recipe(recipe, settings).model_dump_json())
        for name in (CHECKPOINT_NAME, EVALUATION_NAME):
            (out / name).touch()

    def judging(_folder: Path, source: str, _recipe: Recipe, labels: Labels) -> FoldRow:
        seen.append(labels)
        return FoldRow(source, len(labels), 1, 0.5, 0.5, 0.4, 0.6, None, 1.0, 1.0, 0.0, 0.0, 1.0)

    monkeypatch.setattr(folds, "train", pretend)
    monkeypatch.setattr(folds, "_judged", judging)
    return seen


def test_a_photo_that_is_cut_off_is_not_judged_by(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, judged: list[Labels]
) -> None:
    photo = next((painted_folder / "train").glob("photo03.*"))
    content = photo.read_bytes()
    photo.unlink()  # it is a link to the photo itself
    photo.write_bytes(content[: len(content) // 2])
    train_folds(tiny_recipe, painted_folder, tmp_path / "out", tell=silent)
    assert [len(labels) for labels in judged] == [11, 11]


@pytest.mark.parametrize("source", ["../outside", "a/b", "..", "/tmp/outside", "folds.csv", "s" * 256])
def test_a_source_that_cannot_be_a_folder_is_refused_before_anything_is_trained(
    source: str, tiny_recipe: Path, painted_folder: Path, tmp_path: Path, judged: list[Labels]
) -> None:
    labels, _ = read_labels(painted_folder)
    renamed = tuple(replace(image, source=source) if image.source == "south" else image for image in labels)
    write_labels(renamed, tmp_path / "odd", "kaggle")
    with pytest.raises(AnnotationError, match="cannot be the name of the folder of its run"):
        train_folds(tiny_recipe, tmp_path / "odd", tmp_path / "out", tell=silent)
    assert not judged
    assert not (tmp_path / "out").exists()


def test_added_labels_of_a_source_that_is_left_out_are_refused_before_anything_is_trained(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, judged: list[Labels]
) -> None:
    labels, _ = read_labels(painted_folder)
    write_labels(tuple(replace(image, id=f"more-{image.id}") for image in labels[-2:]), tmp_path / "more", "kaggle")
    with pytest.raises(AnnotationError, match="photos of the source 'south' are added to train on"):
        train_folds(tiny_recipe, (painted_folder, tmp_path / "more"), tmp_path / "out", tell=silent)
    assert not judged


def test_folds_of_two_recipes_do_not_come_into_one_table(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, judged: list[Labels]
) -> None:
    out = tmp_path / "out"
    train_folds(tiny_recipe, painted_folder, out, tell=silent)
    train_folds(tiny_recipe, painted_folder, out, resume=True, tell=silent)
    assert len(judged) == 4
    with pytest.raises(RecipeError, match=r"\[sample\] of the recipe differs"):
        train_folds(tiny_recipe, painted_folder, out, resume=True, settings=["sample.side=96"], tell=silent)
    assert len(judged) == 4


def test_of_several_processes_the_first_alone_judges_and_shows(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, judged: list[Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[bool] = []

    second = SimpleNamespace(is_main_process=False, wait_for_everyone=lambda: waited.append(True))
    monkeypatch.setattr(folds, "build_accelerator", lambda _settings: second)
    monkeypatch.setenv("RANK", "1")
    options = ["train", tiny_recipe, "--data", painted_folder, "--out", tmp_path / "out", "--folds", "source"]
    result = CliRunner().invoke(app, [str(option) for option in options])
    assert (result.exit_code, result.stdout) == (0, "")
    assert len(waited) == 2
    assert not judged
    assert not (tmp_path / "out" / FOLDS_TABLE).exists()


def test_one_source_cannot_be_left_out(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    labels, _ = read_labels(painted_folder)
    write_labels(tuple(replace(image, source="one") for image in labels), tmp_path / "one", "kaggle")
    with pytest.raises(AnnotationError, match="1 source with heads, expected two at least"):
        train_folds(tiny_recipe, tmp_path / "one", tmp_path / "out", tell=silent)


@pytest.mark.filterwarnings("ignore")
def test_recall_is_the_part_of_heads_with_a_proposal_near(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = [*SETTINGS, "validation.sources=[]", "validation.fraction=0"]
    train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings)
    detect = load_detect(tmp_path / "run")
    labels, _ = read_labels(painted_folder)
    image = next(image for image in labels if image.heads)
    proposals = detect.proposals(read_image(image.path))
    assert proposals.shape[1] == 4
    exact = replace(image, boxes=np.concatenate([proposals[:1], np.array([[0, 0, 1, 1]], dtype=np.float32)]))
    assert proposal_recall(detect, (exact,), (0.5, 0.75)) == [0.5, 0.5]
    assert np.isnan(proposal_recall(detect, (replace(image, boxes=image.boxes[:0]),), (0.5,))).all()
