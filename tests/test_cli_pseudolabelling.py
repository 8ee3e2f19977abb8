"""Facts about pseudo-labels: which boxes become heads, which are ignored, which photos are left out."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from spica.cli import app
from spica.detections import Detections
from spica.image import Image
from spica.images import write_image
from spica.labels.folder import read_labels
from spica.labels.pseudolabels import Certainty
from spica.prediction.card import Card
from spica.prediction.runtime import Facts

BOXES = np.array([[2, 2, 12, 12], [20, 20, 30, 32], [40, 5, 50, 15], [44, 20, 56, 36]], dtype=np.float32)
SCORES = np.array([0.9, 0.6, 0.4, 0.1], dtype=np.float32)
GREY, DARK = 90, 10  # photos with heads, and one on which the detector is sure of nothing


class Finder:
    """A detector that finds four boxes on every photo, on dark ones none that is sure."""

    name = "four.onnx"
    card = Card(threshold=0.3)
    facts: ClassVar[Facts] = {}
    workers = 1

    def __call__(self, photo: Image) -> Detections:
        return Detections(BOXES, SCORES if photo.mean() > 50 else SCORES / 2)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, level in (("a.jpg", GREY), ("day1/b.jpg", GREY), ("dark.jpg", DARK)):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "photos" / name, np.full((40, 60, 3), level, dtype=np.uint8))
    monkeypatch.setattr("spica.loading.load_detector", lambda _weights, _device: Finder())
    return tmp_path / "photos"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_sure_boxes_become_heads_and_doubtful_ones_are_ignored(photos: Path, tmp_path: Path) -> None:
    result = run("pseudo-label", photos, "--out", tmp_path / "out", "--flagged", "--source", "farm")
    assert result.exit_code == 0, result.stderr
    assert "1 photos without a head of score 0.5 or more are left out" in result.stderr
    assert f"2 images, 4 heads, 2 boxes to be ignored: {tmp_path / 'out' / 'labels'}" in result.stdout
    labels, problems = read_labels(tmp_path / "out" / "labels")
    assert problems == []
    assert [(image.id, image.source) for image in labels] == [("a", "farm"), ("day1/b", "farm")]
    for image in labels:
        assert image.boxes.tolist() == BOXES[:2].tolist()
        assert image.ignored.tolist() == BOXES[2:3].tolist()


def test_photos_with_flags_are_left_out_unless_asked_for(photos: Path, tmp_path: Path) -> None:
    result = run("pseudo-label", photos, "--out", tmp_path / "out")
    assert result.exit_code == 1  # an even grey has no detail: all are flagged as blurred
    assert "3 photos with flags are left out (" in result.stderr
    assert "no photo is left to be labelled of 3" in result.stderr
    assert not (tmp_path / "out" / "labels").exists()


def test_results_with_all_scores_are_used_without_detecting_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("predict", photos, "--out", tmp_path / "few", "--no-pictures").exit_code == 0
    assert run("predict", photos, "--out", tmp_path / "all", "--no-pictures", "--score", "0.05").exit_code == 0
    monkeypatch.setattr("spica.loading.load_detector", None)
    few = run("pseudo-label", tmp_path / "few", "--out", tmp_path / "out", "--flagged")
    assert few.exit_code == 1
    assert "holds boxes from a score of 0.3 on, expected from 0.2; predict again with --score 0.2" in few.stderr
    photos.rename(tmp_path / "elsewhere")
    asked = (
        "pseudo-label",
        tmp_path / "all",
        "--out",
        tmp_path / "out",
        "--flagged",
        "--keep",
        "0.5",
        "--ignore",
        "0.05",
    )
    assert "3 photo(s) of the results are gone" in run(*asked).stderr
    result = run(*asked, "--photos", tmp_path / "elsewhere")
    assert result.exit_code == 0, result.stderr
    assert [(image.heads, len(image.ignored)) for image in read_labels(tmp_path / "out" / "labels")[0]] == [(2, 2)] * 2


def test_a_photo_that_cannot_be_read_is_told_and_the_others_are_labelled(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_text("no photo")
    result = run("pseudo-label", photos, "--out", tmp_path / "out", "--flagged")
    assert result.exit_code == 1
    assert "1 photos failed" in result.stderr
    assert len(read_labels(tmp_path / "out" / "labels")[0]) == 2


def test_a_photo_whose_name_no_data_set_can_have_is_told_and_left_out(photos: Path, tmp_path: Path) -> None:
    (photos / "a.jpg").rename(photos / "a?.jpg")
    result = run("pseudo-label", photos, "--out", tmp_path / "out", "--flagged")
    assert result.exit_code == 1
    assert "image id 'a?' has ? in it" in result.stderr
    assert "1 photo(s) left out because of their names" in result.stderr
    assert [image.id for image in read_labels(tmp_path / "out" / "labels")[0]] == ["day1/b"]


def test_labels_that_are_there_are_refused_before_photos_are_looked_at(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "labels").mkdir(parents=True)
    (tmp_path / "out" / "labels" / "mine.json").write_text("{}")
    result = run("pseudo-label", photos, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "is there and not empty" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["labels"]


def test_thresholds_in_the_wrong_order_are_misuse(photos: Path, tmp_path: Path) -> None:
    result = run("pseudo-label", photos, "--out", tmp_path / "out", "--keep", "0.2", "--ignore", "0.4")
    assert result.exit_code == 2
    assert "expected --ignore to be the lower one" in result.stderr
    with pytest.raises(ValueError, match="expected 0 <= ignore <= keep <= 1"):
        Certainty(keep=0.2, ignore=0.4)
