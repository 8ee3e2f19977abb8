"""An evaluation as tables for the terminal."""

import math
from collections.abc import Callable

from rich.table import Table

from spica.scoring.evaluation import Evaluation, Row

_NONE = "-"
_MOST_WORST = 10  # images listed: what fits beside the other tables


def _decimals(digits: int) -> Callable[[float | None], str]:
    def text(value: float | None) -> str:
        return _NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"

    return text


def _percent(value: float | None) -> str:
    return _NONE if value is None or math.isnan(value) else f"{100 * value:+.1f} %"


_score, _heads = _decimals(3), _decimals(1)

_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("images", lambda row: str(row.images)),
    ("heads", lambda row: str(row.heads)),
    ("found", lambda row: str(row.found)),
    ("score", lambda row: _score(row.score)),
    ("accuracy", lambda row: _score(row.accuracy)),
    ("AP", lambda row: _score(row.ap)),
    ("AP50", lambda row: _score(row.ap50)),
    ("AP75", lambda row: _score(row.ap75)),
    ("precision", lambda row: _score(row.precision)),
    ("recall", lambda row: _score(row.recall)),
    ("F1", lambda row: _score(row.f1)),
)
_COUNT_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("images", lambda row: str(row.images)),
    ("heads", lambda row: str(row.heads)),
    ("found", lambda row: str(row.found)),
    ("bias", lambda row: _heads(row.bias)),
    ("bias, relative", lambda row: _percent(row.relative_bias)),
    ("MAE", lambda row: _heads(row.mae)),
    ("RMSE", lambda row: _heads(row.rmse)),
    ("RMSE, relative", lambda row: _percent(row.relative_rmse).lstrip("+")),
    ("R2", lambda row: _score(row.r2)),
)


def score_table(evaluation: Evaluation) -> Table:
    """Return the table of scores: a row for each source, then one for all images."""
    low, high = evaluation.interval
    title = (
        f"Scores by rule {evaluation.rule}, {evaluation.scored}: "
        f"{_score(evaluation.overall.score)} (95 % of samples in {_score(low)} to {_score(high)})"
    )
    return _table(title, evaluation, _COLUMNS)


def count_table(evaluation: Evaluation) -> Table:
    """Return the table of counting errors, in heads an image: a row for each source, then one for all images."""
    return _table(f"Counts, from score {evaluation.threshold:g} on", evaluation, _COUNT_COLUMNS)


def worst_table(evaluation: Evaluation) -> Table:
    """Return the table of the images with the lowest scores."""
    table = Table("image", "source", title="Images to look at", title_justify="left")
    for name in ("heads", "found", "score"):
        table.add_column(name, justify="right")
    for image in evaluation.worst[:_MOST_WORST]:
        table.add_row(image.id, image.source, str(image.heads), str(image.found), _score(image.score))
    return table


def _table(title: str, evaluation: Evaluation, columns: tuple[tuple[str, Callable[[Row], str]], ...]) -> Table:
    table = Table("source", title=title, title_justify="left")
    for name, _ in columns:
        table.add_column(name, justify="right")
    for row in evaluation.sources:
        table.add_row(row.name, *(text(row) for _, text in columns))
    table.add_section()
    table.add_row(evaluation.overall.name, *(text(evaluation.overall) for _, text in columns))
    return table
