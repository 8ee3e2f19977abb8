"""Tables: how numbers and bins are written."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spica.detections import no_detections
from spica.labels.labelled import LabelledImage
from spica.report import findings
from spica.report.tables import bar, density_names, limits, percent, score, score_table, sharpness_names, signed_percent
from spica.scoring.breakdown import PhotoBin
from spica.scoring.counting import count_errors
from spica.scoring.evaluation import evaluate

INF, NAN = float("inf"), float("nan")
HEAD = np.array([[0, 0, 10, 10]], dtype=np.float32)


def bins(*edges: float) -> list[PhotoBin]:
    counts = count_errors(np.array([1]), np.array([1]))
    return [PhotoBin(low, high, 1.0, counts) for low, high in pairwise(edges)]


def test_bins_of_whole_numbers_end_with_the_last_one_in_them() -> None:
    assert density_names(bins(-INF, 3, 5, 6, INF)) == ["below 3", "3 to 4", "5", "from 6"]
    assert density_names(bins(-INF, INF)) == ["all"]


def test_bins_of_sharpness_have_two_digits() -> None:
    assert sharpness_names(bins(-INF, 0.3, 0.35, INF)) == ["below 0.30", "0.30 to 0.35", "from 0.35"]


def test_a_number_that_does_not_exist_is_a_dash() -> None:
    assert [score(NAN), score(None), percent(NAN), signed_percent(NAN), limits((NAN, NAN))] == ["-"] * 5
    assert signed_percent(-0.0684) == "-6.8\N{NO-BREAK SPACE}%"
    assert limits((0.5, 0.6124)) == "0.500 to 0.612"


@pytest.mark.parametrize(("share", "width"), [(0.25, "25.0"), (1.4, "100.0"), (NAN, "0.0")])
def test_a_bar_fills_its_share_of_the_cell_and_never_more(share: float, width: str) -> None:
    assert f"width:{width}%" in bar(share, "x")


def test_average_precision_has_columns_where_it_was_asked_for() -> None:
    labels, found = (LabelledImage("p", Path("gone"), 100, 100, HEAD),), [no_detections()]
    said = findings(found, labels, evaluate(found, labels, 0.5, average_precision=False), np.array([NAN]))
    assert "AP50" not in score_table(said)
    overall = replace(said.evaluation.overall, ap=0.4, ap50=0.8)
    table = score_table(replace(said, evaluation=replace(said.evaluation, overall=overall)))
    assert "<td>0.800</td>" in table
