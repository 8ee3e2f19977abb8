"""Facts about the folder of an answer: what makes room in it, and what is never written over."""

import json
from pathlib import Path

import pytest

from spica.counting.answer import Answer, named_in
from spica.errors import OutputError


def test_a_file_in_the_folder_has_its_own_name_and_another_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_in(Path("out"), Path("out/../out/map.png")) == "map.png"
    assert named_in(Path("out"), Path("map.png")) == str(tmp_path / "map.png")


def test_a_file_elsewhere_is_replaced_only_by_the_counts_that_wrote_it(tmp_path: Path) -> None:
    photo = tmp_path / "map.png"
    photo.write_bytes(b"mine")
    answer = Answer(tmp_path / "out", ("counts.csv", str(photo)))
    with pytest.raises(OutputError, match=r"map\.png: is there, and not of the counts in .*name another file"):
        answer.check()
    photo.unlink()
    answer.begin({})
    photo.write_bytes(b"a map")
    answer.check()
    with pytest.raises(OutputError, match=r"map\.png: is there"):
        Answer(tmp_path / "other", (str(photo),)).check()


def test_a_file_in_a_missing_folder_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="gone is not a folder; make it first"):
        Answer(tmp_path / "out", ("counts.csv", str(tmp_path / "gone" / "map.png"))).begin({})
    assert not (tmp_path / "out").exists()


def test_a_record_deletes_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for path in (out / "map.png", tmp_path / "map.png", tmp_path / "photo.png"):
        path.write_bytes(b"")
    files = ["map.png", str(tmp_path / "map.png"), "../photo.png"]
    (out / "count.json").write_text(json.dumps({"files": files}))
    Answer(out, ("counts.csv",)).begin({})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.png", "out", "photo.png"]
    assert [path.name for path in out.iterdir()] == ["count.json"]
