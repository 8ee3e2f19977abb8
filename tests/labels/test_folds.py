"""Folds: whole fields together, balanced, repeatable."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.errors import AnnotationError, OutputError
from spica.labels.folds import By, caution, hold_out, read_folds, split, write_folds
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.problems import Problem


def image(name: str, source: str, heads: int = 1, session: str = "") -> LabelledImage:
    left = np.arange(heads, dtype=np.float32) * 4
    boxes = np.stack([left, left * 0, left + 3, left * 0 + 3], axis=1).astype(np.float32)
    return LabelledImage(name, Path(f"{name}.jpg"), 1024, 1024, boxes, source, session)


def field(source: str, count: int, heads: int = 1, sessions: int = 1) -> Labels:
    return tuple(image(f"{source}-{index}", source, heads, f"s{index % sessions}") for index in range(count))


MANY = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from("xy"), st.integers(0, 9)), min_size=14, max_size=60
)


@settings(max_examples=40, deadline=None)
@given(rows=MANY, by=st.sampled_from(["source", "session", "random"]), seed=st.integers(0, 9))
def test_every_image_is_in_exactly_one_fold_and_groups_stay_together(
    rows: list[tuple[str, str, int]], by: By, seed: int
) -> None:
    labels = tuple(image(str(index), *row[::2], row[1]) for index, row in enumerate(rows))
    try:
        folds = split(labels, by, 3, seed)
    except AnnotationError:
        groups = {(each.source, each.session if by == "session" else "") for each in labels}
        assert by != "random"
        assert len(groups) < 3
        return
    assert sorted(name for fold in folds for name in fold) == sorted(each.id for each in labels)
    if by == "source":
        for source in {each.source for each in labels}:
            names = {each.id for each in labels if each.source == source}
            assert sum(bool(names & set(fold)) for fold in folds) == 1
    if by == "session":
        for group in {(each.source, each.session) for each in labels}:
            names = {each.id for each in labels if (each.source, each.session) == group}
            assert sum(bool(names & set(fold)) for fold in folds) == 1
    if by == "random":
        assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_folds_do_not_depend_on_the_order_of_the_labels() -> None:
    labels = field("a", 7) + field("b", 5) + field("c", 9) + field("d", 3)
    for by in ("source", "random"):
        forward, backward = split(labels, by, 2, seed=4), split(labels[::-1], by, 2, seed=4)
        assert [set(fold) for fold in forward] == [set(fold) for fold in backward]


def test_another_seed_gives_another_random_split() -> None:
    labels = field("a", 40)
    assert split(labels, "random", 2, seed=1) != split(labels, "random", 2, seed=2)


def test_folds_by_source_balance_heads_and_photos() -> None:
    labels = field("a", 10, 10) + field("b", 6, 10) + field("c", 4, 10) + field("d", 10, 10)
    assert sorted(map(len, split(labels, "source", 3))) == [10, 10, 10]


def test_heads_count_as_much_as_photos() -> None:
    dense, sparse = field("a", 10, 90), field("b", 10, 5) + field("c", 10, 5)
    folds = split(dense + sparse, "source", 2)
    assert {len(fold) for fold in folds} == {10, 20}


def test_a_random_split_deals_each_source_out_evenly() -> None:
    labels = field("a", 20) + field("b", 10)
    for fold in split(labels, "random", 5):
        assert sum(name.startswith("a") for name in fold) == 4
        assert sum(name.startswith("b") for name in fold) == 2


def test_only_a_random_split_comes_with_a_caution() -> None:
    assert "flatters" in caution("random")
    assert caution("source") == caution("session") == ""


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(AnnotationError, match="2 groups by source cannot make 3 folds"):
        split(field("a", 9) + field("b", 9), "source", 3)


def test_only_what_helps_against_too_few_groups_is_advised() -> None:
    one_field, two_fields = field("a", 4, sessions=3), field("a", 4, sessions=2) + field("b", 4)

    def advice(labels: Labels, by: By, folds: int) -> str:
        with pytest.raises(AnnotationError) as refused:
            split(labels, by, folds)
        return str(refused.value).partition("; ")[2]

    assert advice(two_fields, "source", 3) == "ask for fewer folds, or split by session, or split by random"
    assert advice(two_fields, "source", 4) == "ask for fewer folds, or split by random"
    assert advice(two_fields, "session", 9) == "ask for fewer folds"
    assert advice(two_fields, "random", 9) == "ask for fewer folds"
    assert advice(one_field, "source", 3) == "split by session, or split by random"
    assert advice(field("a", 1), "random", 2) == "label more photos"


def test_sessions_make_folds_where_sources_do_not() -> None:
    assert len(split(field("a", 9, sessions=3), "session", 3)) == 3


def test_one_fold_is_misuse() -> None:
    with pytest.raises(ValueError, match="folds is 1"):
        split(field("a", 3), folds=1)


def test_images_with_one_id_are_refused() -> None:
    with pytest.raises(AnnotationError, match="two images have the id 'a-0'"):
        split(field("a", 3) + field("a", 1), "random", 2)


def test_hold_out_keeps_sources_whole_and_draws_its_fraction_from_each_other_source() -> None:
    labels = field("a", 20) + field("b", 30) + field("c", 7) + field("d", 3)
    train, held_sources, held_fraction = hold_out(labels, ("b",), 0.1, seed=0)
    assert {each.source for each in held_sources} == {"b"}
    assert len(held_sources) == 30
    assert sorted(each.source for each in held_fraction) == ["a", "a", "c"]
    assert len(train) == 20 + 7 + 3 - 3
    names = [each.id for part in (train, held_sources, held_fraction) for each in part]
    assert sorted(names) == sorted(each.id for each in labels)


def test_hold_out_is_the_same_for_the_same_seed_and_any_order() -> None:
    labels = field("a", 30) + field("b", 30)
    first, second = hold_out(labels, ("b",), 0.2, 3), hold_out(labels[::-1], ("b",), 0.2, 3)
    assert {each.id for each in first.held_fraction} == {each.id for each in second.held_fraction}
    other = hold_out(labels, ("b",), 0.2, 4)
    assert {each.id for each in first.held_fraction} != {each.id for each in other.held_fraction}


def test_hold_out_of_nothing_keeps_everything() -> None:
    labels = field("a", 5)
    assert hold_out(labels, (), 0.0).train == labels


def test_hold_out_of_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(AnnotationError, match="'usask'; the labels have a, b"):
        hold_out(field("a", 2) + field("b", 2), ("usask",))


def test_a_fraction_outside_its_range_is_misuse() -> None:
    with pytest.raises(ValueError, match=r"fraction is 1\.0"):
        hold_out(field("a", 2), (), 1.0)


@settings(max_examples=20, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1), min_size=4, unique=True
    )
)
def test_a_file_of_folds_gives_the_same_folds_again(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    file = tmp_path_factory.mktemp("folds") / "folds.csv"
    folds = [tuple(names[:2]), tuple(names[2:])]
    write_folds(file, folds)
    assert read_folds(file) == folds


def test_folds_replace_folds_and_nothing_else(tmp_path: Path) -> None:
    write_folds(tmp_path / "folds.csv", [("a",), ("b",)])
    (tmp_path / "empty.csv").touch()
    for name in ("folds.csv", "empty.csv"):
        write_folds(tmp_path / name, [("b",), ("a",)])
        assert read_folds(tmp_path / name) == [("b",), ("a",)]
    labels = 'image_id,width,height,bbox,source\na,9,9,"[1, 1, 5, 5]",x\n'
    (tmp_path / "train.csv").write_text(labels)
    with pytest.raises(OutputError, match=r"train\.csv: is there, and no file of folds; name another file"):
        write_folds(tmp_path / "train.csv", [("a",), ("b",)])
    assert (tmp_path / "train.csv").read_text() == labels


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1\na,2\n", r"row 3: image_id 'a' is empty or there twice"),
        (",1\n", r"row 2: image_id ''"),
        ("a,0\n", r"row 2: fold is '0', expected 1, 2"),
        ("a,first\n", r"row 2: fold is 'first'"),
        ("a,1\nb,3\n", r"fold 2 has no image, expected folds 1 to 2"),
        ("a,1,2\n", r"row 2 \(image a\): 3 fields, expected 2"),
    ],
)
def test_a_file_of_folds_that_makes_no_sense_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    file = tmp_path / "folds.csv"
    file.write_text("image_id,fold\n" + rows)
    with pytest.raises(AnnotationError, match=message):
        read_folds(file)


def test_real_sources_are_held_out_whole(real: tuple[Labels, list[Problem]]) -> None:
    parts = hold_out(real[0], ("usask_1", "inrae_1"), 0.1, seed=0)
    assert [len(part) for part in parts] == [791, 121, 88]
