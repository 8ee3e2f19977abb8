"""images.csv: the table beside a data set that says where each photo comes from."""

from dataclasses import dataclass
from pathlib import Path

from spica.labels.annotations import UNKNOWN_SOURCE
from spica.labels.labelled import Labels
from spica.labels.problems import Place, Problem, error
from spica.labels.table import read_table, write_table

IMAGE_TABLE = "images.csv"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a photo comes from: field or data set part, day or camera in it, and where that is written."""

    source: str
    session: str
    place: Place


def read_origins(folder: Path) -> tuple[dict[str, Origin], tuple[Problem, ...]]:
    """Return the origin of each image in `folder`/images.csv, nothing where there is no such file.

    The columns are image_id and source; the session is in a column `session` or `gwhd_2021_domain`, if there is one.

    Raises:
        AnnotationError: if the file is there but lacks a column.
    """
    file = folder / IMAGE_TABLE
    if not file.exists():
        return {}, ()
    table = read_table(file, ("image_id", "source"), optional=("session", "gwhd_2021_domain"))
    origins: dict[str, Origin] = {}
    problems = list(table.problems)
    for place, row in table.rows:
        if row["image_id"] in origins:
            text = f"the image stands in {origins[row['image_id']].place}, too"
            problems.append(error("listed twice", place, row["image_id"], text, "delete one row; this one is left out"))
            continue
        session = row.get("session", row.get("gwhd_2021_domain", ""))
        origins[row["image_id"]] = Origin(row["source"] or UNKNOWN_SOURCE, session, place)
    return origins, tuple(problems)


def write_origins(labels: Labels, folder: Path) -> None:
    """Write `folder`/images.csv: image_id, source, session of every image.

    Raises:
        AnnotationError: if a name holds a line break.
    """
    rows = ((image.id, image.source, image.session) for image in labels)
    write_table(folder / IMAGE_TABLE, ("image_id", "source", "session"), rows)
