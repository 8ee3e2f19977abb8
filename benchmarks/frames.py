"""How often frames are found on real photos, and how often something else is taken for one.

    PYTHONPATH=tests python benchmarks/frames.py [PHOTOS]

Needs the extra ground and the folder of real photos that SPICA_GWHD names. A frame is painted into each photo: of six
colours, two shapes, any turn, tilted by up to 15 degrees, with bars of 2 to 7 % of its shorter side, and plants over
0 to 60 % of them. The photo without a frame and one with three bars are looked at as well. Ends with 1 if more than
1 % of the photos have a wrong frame, or one that is not there.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from painted_frames import COLOURS, paint_frame
from spica.counting.frames import find_frame
from spica.images import photos_in, read_image

PHOTOS = 96  # each of colour, shape and part hidden meets each other twice: 6 * 2 * 4 * 2
RATIOS = (1.0, 1.5)
HIDDEN = (0.0, 0.2, 0.4, 0.6)
WRONG = 0.02  # of the shorter side: with more, a corner is at the wrong place
MOST_WRONG = 0.01  # of photos


@dataclass(frozen=True, slots=True)
class Trial:
    """One photo: what was painted, how far the worst corner is off in shorter sides (None: nothing found), time."""

    colour: str
    ratio: float
    hidden: float
    off: float | None
    without: bool
    three: bool
    seconds: float


def main(photos: int = PHOTOS) -> int:
    """Print the table and return the exit code."""
    every = photos_in(Path(os.environ["SPICA_GWHD"]))
    paths = [path for number, path in enumerate(every) if not was_seen(number)]
    chosen = [paths[number] for number in spread(len(paths))[1::2]]
    trials = [tried(path, number) for number, path in enumerate(chosen[:photos])]
    print("| frames | photos | within 1 % | within 2 % | none found | wrong |\n| --- | --- | --- | --- | --- | --- |")
    for name, group in groups(trials):
        show(name, group)
    without, three = sum(trial.without for trial in trials), sum(trial.three for trial in trials)
    print(
        f"found where there is none: {without} of {len(trials)}; where there are three bars: {three} of {len(trials)}"
    )
    seconds = [trial.seconds for trial in trials]
    print(f"seconds for a photo: least {min(seconds):.2f}, median {np.median(seconds):.2f}, most {max(seconds):.2f}")
    wrong = sum(trial.off is not None and trial.off > WRONG for trial in trials)
    return int(max(wrong, without, three) > MOST_WRONG * len(trials))


def was_seen(number: int) -> bool:
    """Return whether a photo is one of those on which lines and bars were chosen: the folder's 1st, 2nd, 28th, ..."""
    return number % 27 in {1, 2} or number % 41 == 0


def spread(photos: int) -> list[int]:
    """Return twice as many photos as are tried, evenly spread; every second one had a say in the least confidence."""
    numbers: list[int] = np.linspace(0, photos - 1, 2 * PHOTOS).astype(int).tolist()
    return numbers


def tried(path: Path, number: int) -> Trial:
    """Return what is found on one photo; all combinations of colour, shape and part hidden come in turn."""
    photo, random = read_image(path), np.random.default_rng(number)
    colour = list(COLOURS)[number % 6]
    ratio, hidden = RATIOS[number // 6 % 2], HIDDEN[number // 12 % 4]
    painted, truth = paint_frame(photo, random, colour, ratio, hidden)
    three, _ = paint_frame(photo, random, colour, ratio, sides=3)
    clock = time.process_time()  # of this process alone: the machine may do other things
    found = find_frame(painted, (ratio, 1.0))
    seconds = time.process_time() - clock
    off = None if found is None else worst(found, truth)
    without, with_three = (find_frame(one, (ratio, 1.0)) is not None for one in (photo, three))
    return Trial(colour, ratio, hidden, off, without, with_three, seconds)


def worst(found: Float[np.ndarray, "4 2"], truth: Float[np.ndarray, "4 2"]) -> float:
    """Return how far the worst corner is off, in parts of the shorter side; which corner is first does not matter."""
    shorter = np.linalg.norm(np.roll(truth, -1, axis=0) - truth, axis=1).min()
    orders = [np.roll(way, first, axis=0) for way in (found, found[::-1]) for first in range(4)]
    return float(min(np.linalg.norm(order - truth, axis=1).max() for order in orders) / shorter)


def groups(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial]]]:
    """Yield the rows of the table: by what hides the bars, by colour, by shape, and all."""
    for hidden in HIDDEN:
        yield f"{hidden:.0%} of the bars grown over", [trial for trial in trials if trial.hidden == hidden]
    for colour in COLOURS:
        yield colour, [trial for trial in trials if trial.colour == colour]
    for ratio in RATIOS:
        yield f"sides 1 : {ratio:g}", [trial for trial in trials if trial.ratio == ratio]
    yield "**all**", list(trials)


def show(name: str, trials: Sequence[Trial]) -> None:
    """Print one row of the table."""
    found = [trial.off for trial in trials if trial.off is not None]
    parts = [sum(off <= most for off in found) for most in (0.01, WRONG)]
    wrong = len(found) - parts[1]
    cells = [*parts, len(trials) - len(found), wrong]
    print(f"| {name} | {len(trials)} | " + " | ".join(f"{cell / len(trials):.1%}" for cell in cells) + " |")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
