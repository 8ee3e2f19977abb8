"""Charts: where things lie, by hand."""

import re
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spica.report.charts import Axis, bars, chart, count_axis, diagonal, dot, line, share_axis, upright

X, Y = share_axis("score"), share_axis("share")
# The corners of the axes in units of the view: left, right, bottom, top.
LEFT, RIGHT, BOTTOM, TOP = 52, 448, 354, 22


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+\.?\d*", text)]


def attribute(markup: str, name: str) -> str:
    return fromstring(markup).attrib[name]


def test_a_line_goes_from_corner_to_corner() -> None:
    drawn = attribute(line(X, Y, np.array([0.0, 1.0]), np.array([0.0, 1.0]), "red"), "d")
    assert numbers(drawn) == [LEFT, BOTTOM, RIGHT, TOP]


def test_a_line_has_a_gap_where_there_is_no_number() -> None:
    drawn = attribute(line(X, Y, np.linspace(0, 1, 4), np.array([0.1, 0.2, np.nan, 0.3]), "red"), "d")
    assert drawn.count("M") == 2
    assert "nan" not in drawn
    assert attribute(line(X, Y, np.array([0.5]), np.array([np.nan]), "red"), "d") == ""


def test_a_dot_lies_at_its_values_and_has_a_title() -> None:
    drawn = fromstring(dot(X, Y, (0.5, 0.25), "red", "M0 0", "a < b"))
    assert numbers(drawn.attrib["transform"]) == [(LEFT + RIGHT) / 2, BOTTOM - (BOTTOM - TOP) / 4]
    assert drawn[0].text == "a < b"


def test_bars_stand_on_the_axis() -> None:
    first, second = fromstring(bars(X, Y, np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5])))
    assert float(first.attrib["y"]) == TOP
    assert float(first.attrib["height"]) == BOTTOM - TOP
    assert float(second.attrib["y"]) + float(second.attrib["height"]) == BOTTOM
    assert float(second.attrib["height"]) == (BOTTOM - TOP) / 2
    assert float(first.attrib["x"]) + float(first.attrib["width"]) < float(second.attrib["x"])


def test_the_diagonal_ends_where_the_shorter_axis_does() -> None:
    drawn = fromstring(diagonal(Axis("x", 0, 2, ()), Y)).attrib
    assert [float(drawn[name]) for name in ("x1", "y1", "x2", "y2")] == [LEFT, BOTTOM, (LEFT + RIGHT) / 2, TOP]


@pytest.mark.parametrize(("value", "anchor"), [(0.0, "start"), (0.2, "start"), (0.8, "end"), (1.0, "end")])
def test_the_text_of_an_upright_stays_inside(value: float, anchor: str) -> None:
    assert fromstring(upright(X, value, "in use"))[1].attrib["text-anchor"] == anchor


@given(st.integers(0, 3_000))
def test_a_count_axis_holds_the_highest_count_and_has_few_round_ticks(most: int) -> None:
    axis = count_axis("heads", most)
    assert axis.low == axis.ticks[0] == 0
    assert axis.ticks[-1] == axis.high >= most
    assert 4 <= len(axis.ticks) <= 9
    assert all(tick == int(tick) for tick in axis.ticks)


def test_a_chart_is_named_and_has_its_labels_and_ticks() -> None:
    drawn = fromstring(chart("Scores & shares", X, Y, [diagonal(X, Y)]))
    assert drawn[0].text == "Scores & shares"
    texts = [one.text for one in drawn.iter("text")]
    assert texts == [*("0", "0.2", "0.4", "0.6", "0.8", "1") * 2, "score", "share"]
