"""Time and peak memory of `spica predict` on 200 real photos, pictures and submission included.

    python benchmarks/predicting.py RUN

Needs SPICA_GWHD. Memory that grows with the number of photos shows as a difference between the two lines.
"""

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from spica.labels.folder import read_labels
from spica.prediction.submission import read_submission

COUNTS = (20, 200)


def main(weights: str) -> None:
    """Print seconds for each photo and the largest memory of the process, for few and many photos."""
    folder = os.environ.get("SPICA_GWHD")
    if folder is None:
        sys.exit("SPICA_GWHD names no folder of real labelled photos")
    photos = [image.path for image in read_labels(Path(folder))[0]]
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            seconds = predict(weights, photos[:count], Path(name))
            found = read_submission(Path(name) / "submission.csv")
            counted = list(csv.DictReader((Path(name) / "result" / "counts.csv").open()))
            if set(found) != {photo.stem for photo in photos[:count]} or len(counted) != count:
                sys.exit("photos are missing")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # kilobytes on Linux
        print(f"{count:4} photos: {seconds / count:.3f} s a photo, at most {peak:.2f} GB")


def predict(weights: str, photos: list[Path], out: Path) -> float:
    inputs = out / "photos"
    inputs.mkdir()
    for photo in photos:
        (inputs / photo.name).symlink_to(photo)
    command = ["spica", "predict", str(inputs), "--weights", weights, "--out", str(out / "result")]
    started = time.perf_counter()
    subprocess.run([*command, "--submission", str(out / "submission.csv")], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
