"""Facts about finished results whose photos change: only what is new or changed is looked at again."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from spica.detections import Detections
from spica.errors import SubmissionError
from spica.image import Image
from spica.images import write_image
from spica.prediction.folder import MANIFEST, STAMPS, Order, predict_folder
from spica.prediction.journal import FOLDER, Journal
from spica.prediction.reading import read_results
from spica.prediction.renewal import read_stamps, reopen, stamps_of, write_stamps


class Remembering:
    """A detector whose boxes depend on the photo's brightness, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, photo: Image) -> Detections:
        bright = int(photo[0, 0, 0])
        self.asked.append(bright)
        boxes = np.array([[bright / 7, 1, bright / 7 + 3, 5], [4, 4, 8, 8]], dtype=np.float32)
        return Detections(boxes, np.array([0.9 - bright / 1001, 0.3], dtype=np.float32), capped=bright == 30)


def paint(path: Path, bright: int) -> None:
    write_image(path, np.full((20, 30, 3), bright, dtype=np.uint8))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Return the order of finished results on photos of brightness 10, 20 and 30, and on a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for bright in (10, 20, 30):
        paint(folder / f"{bright}.png", bright)
    (folder / "bad.jpg").write_bytes(b"no photo")
    order = Order([folder], tmp_path / "out", 0.2)
    stamps = stamps_of(order.paths)
    predict_folder(Remembering(), order)
    write_stamps(order.out, stamps)
    return order


def test_only_what_is_new_or_changed_is_looked_at_and_the_files_are_those_of_all_photos(order: Order) -> None:
    (photos,) = order.paths
    paint(photos / "15.png", 15)
    paint(photos / "20.png", 25)
    (photos / "10.png").unlink()
    reopen(order)
    predict_folder(detect := Remembering(), order)
    assert sorted(detect.asked) == [15, 25]
    (order.out / STAMPS).unlink()
    renewed = contents(order.out)
    shutil.rmtree(order.out)
    predict_folder(Remembering(), order)
    assert renewed == contents(order.out)


def test_a_renewal_that_was_killed_at_its_beginning_or_later_goes_on(order: Order) -> None:
    (photos,) = order.paths
    paint(photos / "15.png", 15)
    journal = Journal(order.out, order.description())
    journal.add(read_results(order.out).photos[0])
    journal.close()
    reopen(order)
    assert not (order.out / MANIFEST).exists()
    predict_folder(detect := Remembering(), order)
    assert detect.asked == [15]
    assert [photo.name for photo in read_results(order.out).photos] == ["10.png", "15.png", "20.png", "30.png"]
    assert not (order.out / FOLDER).exists()


def test_a_photo_without_a_picture_is_looked_at_again(order: Order) -> None:
    (order.out / "errors.csv").write_text("image,error\n20.png,counted but no picture\nbad.jpg,is no photo\n")
    results = read_results(order.out)
    assert [(photo.name, photo.error) for photo in results.photos if photo.error] == [
        ("20.png", "counted but no picture")
    ]
    assert results.failed == ("bad.jpg",)
    reopen(order)
    predict_folder(detect := Remembering(), order)
    assert detect.asked == [20]


def test_stamps_tell_photos_that_were_replaced_by_others_of_the_same_size(order: Order) -> None:
    (photos,) = order.paths
    before = read_stamps(order.out)
    assert before == stamps_of(order.paths)
    assert list(before) == ["10.png", "20.png", "30.png", "bad.jpg"]
    os.utime(photos / "20.png", ns=(1, 1))
    now = stamps_of(order.paths)
    assert [name for name in now if now[name] != before[name]] == ["20.png"]


def test_results_without_stamps_can_be_read_and_damaged_stamps_are_told(order: Order) -> None:
    (order.out / STAMPS).unlink()
    assert read_stamps(order.out) == {}
    assert len(read_results(order.out).photos) == 3
    (order.out / STAMPS).write_text("[")
    with pytest.raises(SubmissionError, match=r"photos\.json: is damaged"):
        read_stamps(order.out)
