"""Leaving one source out after the other: what is trained, judged and tabulated."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spica.errors import AnnotationError
from spica.images import read_image
from spica.labels.folder import read_labels, write_labels
from spica.labels.parts import PARTS_TABLE, read_parts
from spica.model.checkpoint import load_detect
from spica.training.folds import FOLDS_TABLE, proposal_recall, train_folds
from spica.training.run import Progress, Tell, train

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
