"""One evaluation of everything; its tables, plots and intervals."""

import io
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from rich.console import Console

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.errors import MissingExtraError
from spica.labels.labelled import LabelledImage, Labels
from spica.scoring.competition import competition_score, image_scores, scores_by_source
from spica.scoring.counting import counting_errors
from spica.scoring.evaluation import Evaluation, evaluate
from spica.scoring.intervals import score_interval
from spica.scoring.plots import write_plots
from spica.scoring.rules import ADA, KAGGLE, RSNA, RULES, WILDS, Rule
from spica.scoring.tables import count_table, score_table, worst_table


def field(seed: int = 0, images: int = 14) -> tuple[Labels, list[Detections]]:
    """Photos of two sources, the first one bare."""
    generator = np.random.default_rng(seed)
    labels, found = [], []
    for number in range(images):
        heads = int(generator.integers(1, 12)) if number else 0
        corners = 40.0 * generator.permutation(20)[:heads, None] * np.ones((1, 2))
        truth = np.concatenate([corners, corners + 30], axis=1).astype(np.float32)
        boxes = truth[: heads - heads // 4] + generator.normal(0, 2, (heads - heads // 4, 4))
        scores = generator.uniform(0.2, 1, len(boxes))
        labels.append(LabelledImage(f"p{number}", Path("x"), 1024, 1024, truth, ("usask_1", "rres_1")[number % 2]))
        found.append(Detections(boxes.astype(np.float32), scores.astype(np.float32)))
    return tuple(labels), found


def text_of(table: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_evaluation_holds_what_the_single_functions_say(rule: Rule) -> None:
    labels, found = field()
    result = evaluate(found, labels, 0.4, rule, average_precision=False)
    assert result.overall.score == pytest.approx(competition_score(found, labels, rule, threshold=0.4), abs=1e-12)
    assert {row.name: row.score for row in result.sources} == pytest.approx(
        scores_by_source(found, labels, rule, threshold=0.4)
    )
    assert result.overall.accuracy == pytest.approx(competition_score(found, labels, ADA, threshold=0.4))
    counts = counting_errors(found, labels, 0.4)
    assert (result.overall.heads, result.overall.found) == (counts.heads, counts.found)
    assert (result.overall.bias, result.overall.rmse, result.overall.r2) == (counts.bias, counts.rmse, counts.r2)
    assert [row.name for row in result.sources] == ["rres_1", "usask_1"]
    assert (result.rule, result.threshold) == (rule.name, 0.4)


def test_precision_recall_and_f1_by_hand() -> None:
    heads = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=np.float32)
    boxes = np.array([[0, 0, 10, 10], [70, 0, 80, 10], [20, 0, 30, 10]], dtype=np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.3], dtype=np.float32))
    labels = (LabelledImage("1", Path("x"), 100, 100, heads),)
    row = evaluate([found], labels, 0.5, average_precision=False).overall
    assert (row.precision, row.recall, row.f1) == (1 / 2, 1 / 3, 2 / 5)
    assert (row.ap, row.ap50, row.ap75) == (None, None, None)


def test_average_precision_takes_detections_below_the_threshold_too() -> None:
    labels, found = field()
    low, high = evaluate(found, labels, 0.3), evaluate(found, labels, 0.9)
    assert low.overall.ap == high.overall.ap
    assert low.overall.ap is not None
    assert 0 < low.overall.ap < 1
    assert all(row.ap50 is not None for row in low.sources)


def test_the_worst_images_come_first_and_perfect_ones_are_not_listed() -> None:
    labels, found = field(images=30)
    result = evaluate(found, labels, 0.4, average_precision=False)
    scores = dict(zip([image.id for image in labels], image_scores(found, labels, threshold=0.4), strict=True))
    listed = [image.score for image in result.worst]
    assert listed == sorted(scores.values())[: len(listed)]
    assert all(scores[image.id] == image.score < 1 for image in result.worst)
    assert len(listed) == 20


def test_of_equally_bad_images_the_one_with_more_wrong_boxes_comes_first() -> None:
    head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    labels = tuple(
        LabelledImage(name, Path("x"), 99, 99, np.tile(head, (n, 1))) for name, n in (("few", 1), ("many", 5))
    )
    result = evaluate([no_detections()] * 2, labels, 0.5, average_precision=False)
    assert [image.id for image in result.worst] == ["many", "few"]


def test_json_holds_every_number_and_null_for_what_does_not_exist() -> None:
    bare = (LabelledImage("bare", Path("x"), 9, 9, no_boxes()),)
    result = evaluate([no_detections()], bare, 0.5, RSNA)
    document = json.loads(result.to_json())
    assert document["overall"]["score"] is None
    assert document["overall"]["r2"] is None
    assert document["interval"] == [None, None]
    assert document["overall"]["images"] == 1
    labels, found = field()
    full = evaluate(found, labels, 0.5)
    assert json.loads(full.to_json())["overall"]["score"] == full.overall.score


def test_json_holds_what_is_remarked_of_the_photos() -> None:
    labels, found = field()
    result = evaluate(found, labels, 0.5, average_precision=False)
    assert json.loads(result.to_json())["remarks"] == []
    assert json.loads(replace(result, remarks=("trained on",)).to_json())["remarks"] == ["trained on"]


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no labelled images"):
        evaluate([], (), 0.5)


def test_a_missing_library_is_an_error_unless_average_precision_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    labels, found = field()
    with pytest.raises(MissingExtraError):
        evaluate(found, labels, 0.5)
    assert evaluate(found, labels, 0.5, average_precision=False).overall.ap is None


# Intervals.


def test_the_interval_holds_the_score_and_is_as_wide_as_the_normal_one() -> None:
    scores = np.random.default_rng(0).uniform(0, 1, 400)
    low, high = score_interval(scores, ["a"] * 400, KAGGLE)
    width = 2 * 1.96 * scores.std() / math.sqrt(400)
    assert low < scores.mean() < high
    assert high - low == pytest.approx(width, rel=0.15)


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    scores, sources = np.random.default_rng(0).uniform(0, 1, 30), ["a", "b", "c"] * 10
    assert score_interval(scores, sources, ADA, seed=1) == score_interval(scores, sources, ADA, seed=1)
    assert score_interval(scores, sources, ADA, seed=1) != score_interval(scores, sources, ADA, seed=2)


def test_images_of_one_source_are_drawn_within_it_where_sources_are_averaged() -> None:
    scores, sources = np.array([0.0] * 5 + [1.0] * 20), ["a"] * 5 + ["b"] * 20
    assert score_interval(scores, sources, ADA) == (0.5, 0.5)


def test_left_out_images_take_no_part() -> None:
    assert score_interval(np.array([np.nan, 0.25, 0.25]), ["a", "b", "b"], ADA) == (0.25, 0.25)
    assert np.isnan(score_interval(np.array([np.nan]), ["a"], KAGGLE)).all()


# Tables.


def evaluated() -> tuple[Labels, list[Detections], Evaluation]:
    labels, found = field()
    return labels, found, evaluate(found, labels, 0.4)


def test_the_score_table_has_a_row_for_each_source_and_one_for_all() -> None:
    _, _, result = evaluated()
    table = score_table(result)
    assert table.row_count == 3
    text = text_of(table)
    assert f"{result.overall.score:.3f} (95 % of samples in {result.interval[0]:.3f} to" in text
    assert "usask_1" in text
    assert text.splitlines()[-2].split()[1] == "all"


@pytest.mark.parametrize(
    ("rule", "threshold", "told"),
    [
        (KAGGLE, 0.4, "Scores by rule kaggle, from score 0.4 on: "),
        (WILDS, 0.0, "Scores by rule wilds, above score 0.5 (all other numbers: from score 0 on): "),
        (WILDS, 0.5, "Scores by rule wilds, above score 0.5 (all other numbers: from score 0.5 on): "),
        (WILDS, 0.6, "Scores by rule wilds, from score 0.6 on: "),
    ],
)
def test_the_title_says_which_boxes_the_score_takes(rule: Rule, threshold: float, told: str) -> None:
    labels, found = field()
    result = evaluate(found, labels, threshold, rule, average_precision=False)
    assert text_of(score_table(result)).startswith(told)
    above = [image.first(int((image.scores > 0.5).sum())) for image in found] if "above" in told else found
    assert result.overall.score == competition_score(above, labels, rule, threshold=threshold)


def test_the_count_table_shows_bias_with_its_sign() -> None:
    _, _, result = evaluated()
    text = text_of(count_table(result))
    assert f"{100 * result.overall.relative_bias:+.1f} %" in text
    assert f" {100 * result.overall.relative_rmse:.1f} %" in text


def test_a_number_that_does_not_exist_is_a_dash() -> None:
    bare = (LabelledImage("bare", Path("x"), 9, 9, no_boxes()),)
    result = evaluate([no_detections()], bare, 0.5, average_precision=False)
    assert " - " in text_of(score_table(result))
    assert "nan" not in text_of(count_table(result))


def test_the_worst_table_lists_the_worst_images() -> None:
    _, _, result = evaluated()
    assert worst_table(result).row_count == min(10, len(result.worst))
    assert result.worst[0].id in text_of(worst_table(result))


# Plots.


def test_the_plots_are_pictures(tmp_path: Path) -> None:
    labels, found, result = evaluated()
    paths = write_plots(tmp_path / "plots", found, labels, result)
    assert [path.name for path in paths] == ["thresholds.png", "reliability.png", "counts.png", "sources.png"]
    for path in paths:
        with Pillow.open(path) as picture:
            assert picture.format == "PNG"
            colours = picture.convert("RGB").getcolors(2**24)
            assert colours is not None
            assert len(colours) > 10


def test_plots_are_drawn_when_nothing_was_found_and_nothing_was_there(tmp_path: Path) -> None:
    bare = (LabelledImage("bare", Path("x"), 9, 9, no_boxes()),)
    result = evaluate([no_detections()], bare, 0.5, RSNA)
    assert len(write_plots(tmp_path, [no_detections()], bare, result, RSNA)) == 4


def test_a_missing_plotting_library_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels, found, result = evaluated()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"spica-wheat\[evaluate\]"):
        write_plots(tmp_path, found, labels, result)
    assert not list(tmp_path.iterdir())
