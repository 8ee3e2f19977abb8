"""Data sets put together: which photos are told apart, and which are the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spica.errors import AnnotationError
from spica.labels.labelled import LabelledImage, Labels
from spica.training.joining import told_apart


def put(folder: Path, names: Sequence[str], content: str = "") -> Labels:
    """Return images without heads; the files are no photos, but their content tells them apart."""
    images = []
    for name in names:
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or str(path))
        images.append(LabelledImage(name, path, 8, 8, np.zeros((0, 4), np.float32)))
    return tuple(images)


def joined(*folders: Path, names: Sequence[Sequence[str]]) -> list[list[str]]:
    labels = [put(folder, own) for folder, own in zip(folders, names, strict=True)]
    return [[image.id for image in one] for one in told_apart(folders, labels)[0]]


def test_only_a_name_that_is_taken_gets_that_of_its_folder(tmp_path: Path) -> None:
    folders = tmp_path / "mine", tmp_path / "pseudo" / "labels"
    assert joined(*folders, names=[["1", "2"], ["2", "3"]]) == [["1", "2"], ["labels/2", "3"]]


def test_folders_of_one_name_are_numbered(tmp_path: Path) -> None:
    folders = tmp_path / "mine", tmp_path / "a" / "labels", tmp_path / "b" / "labels"
    names = [["1", "2", "labels-2/1"], ["1"], ["2"]]
    assert joined(*folders, names=names) == [["1", "2", "labels-2/1"], ["labels/1"], ["labels-3/2"]]


def test_the_folder_in_which_one_works_and_a_label_file_have_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [put(tmp_path / name, ["1"]) for name in ("mine", "here", "there")]
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "v1.2.json").touch()
    told, notes = told_apart([tmp_path / "mine", Path(), tmp_path / "v1.2.json"], labels)
    assert [image.id for one in told for image in one] == ["1", "here/1", "v1.2/1"]
    assert notes[0] == ".: 1 photo(s) have the id of another photo, so this run puts here/ before it: 1 is here/1"
    assert [image.path for one in told for image in one] == [image.path for one in labels for image in one]


def test_a_photo_that_is_there_already_is_refused_whatever_it_is_called_there(tmp_path: Path) -> None:
    mine, also = put(tmp_path / "mine", ["day 1/1"], "one") + put(tmp_path / "mine", ["1", "2"], "two"), ["1", "2"]
    with pytest.raises(AnnotationError) as caught:
        told_apart([tmp_path / "mine", tmp_path / "also"], [mine, put(tmp_path / "also", also, "one")])
    first, second = tmp_path / "mine" / "day 1" / "1.jpg", tmp_path / "also" / "1.jpg"
    assert str(caught.value) == (
        f"{second}: is the same photo as {first} (and 1 more are), expected each photo in one data set; leave it out "
        "of one"
    )
