"""Time and peak memory of `spica predict` on 20 and on 1,000 real photos, pictures and submission included.

    python benchmarks/predicting.py [WEIGHTS]

Needs SPICA_GWHD; where it holds fewer photos, they come again under other names. WEIGHTS is by default the model that
Spica ships. Ends with 1 if memory grows with the number of photos, or is more than the bar.
"""

import csv
import os
import resource
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from spica.labels.folder import read_labels
from spica.prediction.submission import read_submission

COUNTS = (20, 200, 1_000)
MOST_MEMORY = 700  # MB, on 1,000 photos
MOST_GROWTH = (
    50  # MB from 200 photos, dense ones among them, to 1,000; the boxes of the submission are kept, all else is not
)


def main(*weights: str) -> None:
    """Print seconds for each photo and the largest memory of the process, for few and many photos."""
    folder = os.environ.get("SPICA_GWHD")
    if folder is None:
        sys.exit("SPICA_GWHD names no folder of real labelled photos")
    photos = [image.path for image in read_labels(Path(folder))[0]]
    peaks = []
    for count in COUNTS:
        with TemporaryDirectory() as name:
            seconds = predict(weights, photos, count, Path(name))
        # Of the largest child so far, in kilobytes on Linux: the many photos come last.
        peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3)
        print(f"{count:5} photos: {seconds / count:.3f} s a photo, at most {peaks[-1]:.0f} MB", flush=True)
    if peaks[-1] > MOST_MEMORY or peaks[-1] - peaks[-2] > MOST_GROWTH:
        sys.exit(f"expected at most {MOST_MEMORY} MB, and {MOST_GROWTH} MB more for 1,000 photos than for 200")


def predict(weights: tuple[str, ...], photos: list[Path], count: int, out: Path) -> float:
    """Return the seconds of the command; stop if a photo is missing in its results."""
    inputs, result, submission = out / "photos", out / "result", out / "submission.csv"
    names = link(photos, count, inputs)
    command = [str(Path(sys.executable).with_name("spica")), "predict", str(inputs), "--out", str(result)]
    command += ["--submission", str(submission), *(f"--weights={one}" for one in weights)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    with (result / "counts.csv").open() as counts:
        counted = len(list(csv.DictReader(counts)))
    if set(read_submission(submission)) != names or counted != count:
        sys.exit("photos are missing")
    return seconds


def link(photos: list[Path], count: int, folder: Path) -> set[str]:
    """Fill a folder with links to photos, each several times if there are too few, and return their names."""
    folder.mkdir()
    links = [folder / f"{number:05}-{photo.name}" for number, photo in enumerate(islice(cycle(photos), count))]
    for photo, one in zip(cycle(photos), links, strict=False):
        one.symlink_to(photo)
    return {one.stem for one in links}


if __name__ == "__main__":
    main(*sys.argv[1:])
