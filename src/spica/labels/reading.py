"""What was read so far of files that list photos by name: the state that COCO, CVAT and Label Studio have in common."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spica.labels.annotations import AnnotatedImage, Annotations, BoxRow, annotations_without_twins
from spica.labels.imagetable import Origin, read_origins
from spica.labels.photofiles import Photos, find_photos, photo_folder
from spica.labels.photonames import ids_by_name
from spica.labels.problems import Place, Problem, warning


@dataclass(slots=True)
class Reading:
    """The photos that there are, and the images, boxes and problems that files have told of them so far.

    `ids` has the id of the photo that a name means, for each name that the files list.
    """

    photos: Photos
    ids: Mapping[str, str]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    images: dict[str, AnnotatedImage] = field(default_factory=dict)
    rows: list[BoxRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report_unlisted(self, text: str, remedy: str, *, told: Collection[str] = ()) -> None:
        """Warn of each photo that no file lists, but of those that were `told` of already."""
        for name, paths in self.photos.by_id.items():
            if name not in self.images and name not in told:
                self.problems.append(warning("no labels", Place(paths[0]), name, text, remedy))

    def annotations(self) -> Annotations:
        """Return what was read."""
        return annotations_without_twins(self.photos, self.images.values(), self.rows, self.problems)


def begun(
    data: Path, usual: str, photos: Path | None, listed: Iterable[str], exported: Collection[str] = ()
) -> Reading:
    """Return a reading of a folder, or a file, with the photos in `photos`, else in its folder `usual`, else beside.

    `listed` are all names of photos in its files, `exported` those of them that are Label Studio's: see `ids_by_name`.
    """
    shown = find_photos(photo_folder(data, usual, photos))
    return Reading(shown, ids_by_name(listed, shown, exported))


def begun_with_origins(data: Path, usual: str, photos: Path | None, listed: Iterable[str]) -> Reading:
    """Return a reading as `begun`, with source and session of the photos from images.csv, if it is there.

    Raises:
        AnnotationError: if images.csv lacks a column.
    """
    reading = begun(data, usual, photos, listed)
    reading.origins, problems = read_origins(data if data.is_dir() else data.parent)
    reading.problems.extend(problems)
    return reading
