"""From a photo's file to its boxes: Spica beside the system that it started from, and beside torchvision's light one.

    python benchmarks/detecting.py [PHOTOS [ROUNDS]]

Needs the extra `train`. The photos are real ones of SPICA_GWHD where that is set, else rendered fields, of 1024 x 1024
pixels. Each system has a process of its own, so that its peak memory is its own; they take turns photo by photo, so
that a machine that slows down slows all of them. Only one works at a time, on all cores. The tables are Markdown.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a process holds what it measures, nothing more
    from spica.detections import Detections
    from spica.prediction.runtime import Engine, ModelDetector

PHOTOS, ROUNDS, STARTS, SIDE = 20, 5, 5, 1024
PAUSE = 0.02  # seconds; threads of the one before may spin a little while they wait for work
MATRIX = 4096  # side; large enough that only arithmetic counts
SAME_PIXELS, SAME_SCORE = 1e-3, 1e-6  # of results that should differ by rounding at most
STARTING = Path(__file__).parents[1] / "recipes" / "starting-system.toml"
PRECISIONS = ("default", "f32")  # the fastest that the processor has, and single precision
BODY, PYRAMID, PROPOSAL_NETWORK = "body", "pyramid", "proposal network"
# By the beginning of the weights' names.
NETWORK = {"body": BODY, "neck": PYRAMID, "narrow": PYRAMID, "head": PROPOSAL_NETWORK}
INLINED = "Inline_0__"  # how the names of the network's nodes and weights begin
NORMALISING, PROPOSALS, POOLING, BOX_HEAD, BOXES = "normalising", "proposals", "pooling", "box head", "choosing boxes"
READING = ("decoding", "resizing")
PARTS = (*READING, NORMALISING, *dict.fromkeys(NETWORK.values()), PROPOSALS, POOLING, BOX_HEAD, BOXES, "rest")
ROWS = {
    "one default": "**Spica (a)**, one photo after the other",
    "stream default": "**Spica (b)**, `spica predict --no-pictures`",
    "one f32": "Spica (a), single precision",
    "stream f32": "Spica (b), single precision",
    "starting": "starting system, torch",
    "torchvision": "torchvision `fasterrcnn_mobilenet_v3_large_fpn`, torch",
}

Numbers = dict[str, float]
Measure = Callable[[list[Path]], Numbers]  # seconds a photo, or what else its keys say
Series = dict[str, list[float]]  # by "worker key", a number for each round


def main(photos: int = PHOTOS, rounds: int = ROUNDS) -> None:
    """Print the tables."""
    with TemporaryDirectory() as folder:
        paths = benchmark_photos(Path(folder), photos)
        print(asked("check", *map(str, paths)))
        operations: Numbers = json.loads(asked("operations", *map(str, paths)))
        series = by_turns(paths, rounds)
        print_systems(series)
        print_network(series, operations)
        print_parts(series, operations)
        print_starts(paths[0], Path(folder))


# Photos and processes.


def benchmark_photos(folder: Path, count: int) -> list[Path]:
    """Return real photos from all over the data set, or rendered ones, written to the folder."""
    if (real := os.environ.get("SPICA_GWHD")) is not None:
        from spica.labels.folder import read_labels

        labels = [image for image in read_labels(Path(real))[0] if (image.width, image.height) == (SIDE, SIDE)]
        return [image.path for image in labels[:: max(1, len(labels) // count)][:count]]
    asked("render", str(folder), str(count))
    return sorted(folder.glob("*.jpg"))


def asked(*arguments: str) -> str:
    """Return what a process of this file prints."""
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Worker:
    """A process that measures whenever it is told photos."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, __file__, "work", name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, paths: Sequence[Path]) -> Numbers:
        """Return what it measures on photos."""
        time.sleep(PAUSE)
        stdin: Any = self._process.stdin
        stdout: Any = self._process.stdout
        print(json.dumps([str(path) for path in paths]), file=stdin, flush=True)
        numbers: Numbers = json.loads(stdout.readline())
        return numbers

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def by_turns(paths: list[Path], rounds: int) -> Series:
    """Return what each worker measured in each round, after one that does not count."""
    workers = {name: Worker(name) for name in MEASURES}
    try:
        run_round(workers, paths[:1])
        series: Series = defaultdict(list)
        for _ in range(rounds):
            for name, value in run_round(workers, paths).items():
                series[name].append(value)
    finally:
        for worker in workers.values():
            worker.close()
    return series


def run_round(workers: dict[str, Worker], paths: list[Path]) -> Numbers:
    replies: dict[str, list[Numbers]] = {name: [] for name in workers}
    for path in paths:
        for name in SINGLE:
            replies[name].append(workers[name]([path]))
    for name in sorted(set(workers) - set(SINGLE)):
        replies[name].append(workers[name](paths))
    return {
        f"{name} {key}": (max if key == "peak" else statistics.fmean)([reply[key] for reply in own])
        for name, own in replies.items()
        for key in own[0]
    }


def work(name: str) -> None:
    """Measure whatever photos come on the standard input, until it ends."""
    measure = MEASURES[name]()
    for line in sys.stdin:
        numbers = measure([Path(path) for path in json.loads(line)])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
        print(json.dumps({**numbers, "peak": peak}), flush=True)


def render(folder: str, count: str) -> None:
    from spica.images import write_image
    from spica.labels.fields import render_field

    for seed in range(int(count)):
        write_image(Path(folder) / f"field-{seed:03}.jpg", render_field(seed, side=SIDE)[0])


# The systems.


def detector(precision: str) -> "ModelDetector":
    from spica.prediction.modelfile import read_card
    from spica.prediction.openvino_engine import OpenVinoEngine
    from spica.prediction.runtime import ModelDetector, load_model

    if precision == "default":
        return load_model(model_path())  # what `spica.load_detector()` gives
    path = model_path()
    return ModelDetector(OpenVinoEngine(path, precision), read_card(path), path.name)


def one_by_one(precision: str) -> Measure:
    """Time one photo after the other, then the engine alone on the photos resized before."""
    from spica.images import read_resized
    from spica.prediction.runtime import detect_file

    detect = detector(precision)

    def measure(paths: list[Path]) -> Numbers:
        whole = seconds(lambda: [detect_file(detect, path) for path in paths])
        small = [read_resized(path, detect.card.side).pixels for path in paths]
        bare = seconds(lambda: [detect.engine(photo) for photo in small])
        return {"whole": whole / len(paths), "bare": bare / len(paths)}

    return measure


def stream(precision: str) -> Measure:
    detect = detector(precision)
    return lambda paths: {"whole": seconds(lambda: overlapping(detect, paths)) / len(paths)}


def overlapping(detect: "ModelDetector", paths: list[Path]) -> "list[Detections | None]":
    """Return what is found by the stages of `spica predict --no-pictures`."""
    from spica.prediction.folder import Order, predict_photos

    order = Order([], Path(), detect.card.threshold, pictures=False, card=detect.card, workers=detect.workers)
    return [outcome.found for outcome in predict_photos(detect, {path.name: path for path in paths}, order)]


def starting_system() -> Measure:
    """Time the starting system with random weights: nearly as many proposals as it may have, which is what costs."""
    import torch

    from spica.images import read_image
    from spica.model.checkpoint import NetworkDetect
    from spica.model.detector import Detector
    from spica.prediction.card import Card
    from spica.training.recipe import read_recipe

    torch.manual_seed(0)
    settings = read_recipe(STARTING, ["detector.backbone.weights=none"]).detector
    detect = NetworkDetect(Detector(settings, pretrained=False), Card(), torch.device("cpu"))
    return lambda paths: {"whole": seconds(lambda: [detect(read_image(path)) for path in paths]) / len(paths)}


def torchvision_system() -> Measure:
    """Time torchvision's detector with its defaults: photos at 800 px, 1,000 proposals at most."""
    import torch
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn

    from spica.images import read_image

    torch.manual_seed(0)
    network = fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None, num_classes=2).eval()

    def found(path: Path) -> object:
        with torch.inference_mode():
            photo = torch.from_numpy(read_image(path)).permute(2, 0, 1) / 255
            return network([photo])[0]["boxes"].numpy()

    return lambda paths: {"whole": seconds(lambda: [found(path) for path in paths]) / len(paths)}


def check(*names: str) -> None:
    """Print what is measured; stop if photos one by one and overlapping give different boxes."""
    from spica.prediction.runtime import detect_file

    paths = [Path(name) for name in names]
    for precision in PRECISIONS:
        detect = detector(precision)
        alone = [detect_file(detect, path).above(detect.card.threshold) for path in paths]
        if not all(map(same, alone, overlapping(detect, paths))):
            sys.exit(f"{precision}: one by one and overlapping give different boxes")
        heads = sum(map(len, alone))
        print(f"{precision}: {detect.facts}; {len(paths)} photos, {heads} heads, the same in (a) and (b)")
    print(f"{os.cpu_count()} cores, {detect.name}, photos at {detect.card.side} px")


def same(first: "Detections", second: "Detections | None") -> bool:
    if second is None or len(first) != len(second):
        return False
    apart = (abs(first.boxes - second.boxes) > SAME_PIXELS).any() or (
        abs(first.scores - second.scores) > SAME_SCORE
    ).any()
    return not apart


# Where the time goes.


def profiled(precision: str) -> Measure:
    """Time each part, with OpenVINO's own clock inside the network."""
    from spica.images import read_photo, resized

    detect = detector(precision)
    engine, parts = profiled_engine(precision)
    detect.engine = engine

    def timed(path: Path) -> Numbers:
        start = time.perf_counter()
        photo = read_photo(path, detect.card.side).pixels
        decoded = time.perf_counter()
        small = resized(photo, detect.card.side)
        ready = time.perf_counter()
        detect(small)
        return {"decoding": decoded - start, "resizing": ready - decoded, "rest": time.perf_counter() - ready}

    def measure(paths: list[Path]) -> Numbers:
        before = parts()
        times = [timed(path) for path in paths]
        means = {name: statistics.fmean(time[name] for time in times) for name in times[0]}
        inside = {name: (value - before.get(name, 0.0)) / len(paths) for name, value in parts().items()}
        return {**means, **inside, "rest": means["rest"] - sum(inside.values())}

    return measure


def profiled_engine(precision: str) -> "tuple[Engine, Callable[[], Numbers]]":
    """Return an engine that notes times, and what gives the seconds of each part of all its photos together."""
    from spica.image import Image
    from spica.prediction.openvino_engine import OpenVinoEngine
    from spica.prediction.runtime import Output

    class Profiled(OpenVinoEngine):
        def __init__(self) -> None:
            super().__init__(model_path(), None if precision == "default" else precision)
            self._settings["PERF_COUNT"] = "YES"
            self.layers, self.photos = layer_parts(self._model.clone()), 0

        def __call__(self, photo: Image) -> Output:
            self.photos += 1
            return super().__call__(photo)

        def parts(self) -> Numbers:
            # OpenVINO gives the mean of all photos so far.
            means = [by_part(request.get_profiling_info(), self.layers) for request in self._requests.values()]
            return {name: value * self.photos for mean in means for name, value in mean.items()}

    engine = Profiled()
    return engine, engine.parts


def model_path() -> Path:
    from spica.prediction.shipped import shipped_model

    return shipped_model()


def layer_parts(model: Any) -> dict[str, str]:
    """Return the part that each convolution of the network belongs to, by the name of its weights."""
    parts = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() in {"Convolution", "GroupConvolution"}:
            parts[node.get_friendly_name().partition("/")[0]] = part_of_weights(node.input_value(1).get_node())
    return parts


def part_of_weights(node: Any) -> str:
    """Return a part by the first name of the network's that a convolution's weights, or what they came from, have.

    Raises:
        ValueError: if there is none; the export names weights in another way, then.
    """
    while not (found := re.match(rf"{INLINED}({'|'.join(NETWORK)})\.", node.get_friendly_name())):
        if not node.inputs():
            raise ValueError(f"weights {node.get_friendly_name()} are of no part that is known")
        node = node.input_value(0).get_node()
    return NETWORK[found[1]]


def by_part(executed: Iterable[Any], layers: dict[str, str]) -> Numbers:
    """Return the seconds of each part, from what OpenVINO executed, in its order."""
    longest_first = sorted(layers, key=len, reverse=True)  # conv2d_60 is not conv2d_6
    known = re.compile("|".join(map(re.escape, longest_first)))
    totals, part = dict.fromkeys(PARTS[len(READING) : -1], 0.0), NORMALISING
    for node in executed:
        found = known.search(node.node_name)
        part = layers[found[0]] if found else next_part(node.node_type, node.node_name, part)
        totals[part] += node.real_time.total_seconds()
    return totals


def next_part(kind: str, name: str, before: str) -> str:
    """Return the part of what is no convolution, from what was executed before it."""
    if kind == "ROIAlign":
        return POOLING
    if kind in {"FullyConnected", "MatMul"}:
        return BOX_HEAD
    if before in NETWORK.values():
        return before if name.startswith(INLINED) else PROPOSALS
    return BOXES if before == BOX_HEAD else before


def count_operations(*names: str) -> None:
    """Print the operations of each part for a photo, in 1e9, and `proposals`, the mean number of them on the photos."""
    import openvino as ov

    from spica.images import read_image, resized

    core, side = ov.Core(), detector("default").card.side
    model = core.read_model(model_path())
    model.reshape([side, side, 3])
    matrices = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    layers = layer_parts(model)
    model.add_outputs([matrices[-1].output(0)])
    compiled = core.compile_model(model, "CPU")
    rows = [len(compiled(resized(read_image(Path(name)), side))[len(compiled.outputs) - 1]) for name in names]
    counts: Numbers = defaultdict(float, proposals=statistics.fmean(rows))
    for node in model.get_ordered_ops():
        if (part := layers.get(node.get_friendly_name().partition("/")[0])) and "Conv" in node.get_type_name():
            counts[part] += 2e-9 * product(node.output(0).shape[1:]) * product(node.input_value(1).shape[-3:])
    counts[BOX_HEAD] = 2e-9 * counts["proposals"] * sum(product(node.input_value(1).shape) for node in matrices)
    print(json.dumps(counts))


def product(numbers: Iterable[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result


def matrix_rate(precision: str) -> Measure:
    """Measure how many operations a second, in 1e9, a large product of matrices reaches in OpenVINO."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    core = ov.Core()
    if precision != "default":
        core.set_property("CPU", {"INFERENCE_PRECISION_HINT": precision})
    numbers = np.random.default_rng(0).normal(size=(MATRIX, MATRIX)).astype(np.float32)
    entry = ops.parameter([MATRIX, MATRIX], np.float32)
    model = ov.Model([ops.matmul(entry, ops.constant(numbers), False, False)], [entry])  # noqa: FBT003 - its own order
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    return lambda _paths: {"rate": 2e-9 * MATRIX**3 / seconds(lambda: request.infer([numbers], share_inputs=True))}


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


SINGLE = ("one default", "one f32", "starting", "torchvision")  # take turns photo by photo, the others round by round
MEASURES: dict[str, Callable[[], Measure]] = {
    "starting": starting_system,
    "torchvision": torchvision_system,
    **{f"one {precision}": partial(one_by_one, precision) for precision in PRECISIONS},
    **{f"stream {precision}": partial(stream, precision) for precision in PRECISIONS},
    **{f"parts {precision}": partial(profiled, precision) for precision in PRECISIONS},
    **{f"matrix {precision}": partial(matrix_rate, precision) for precision in PRECISIONS},
}


# The tables.


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print()
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")


def print_systems(series: Series) -> None:
    """Print times, ratios of each round, and memory."""
    head = (
        "from file to boxes",
        "best, ms",
        "median, ms",
        "times (a): least",
        "median",
        "times (b): least",
        "median",
        "peak, MB",
    )
    rows = []
    for name, text in ROWS.items():
        own = series[f"{name} whole"]
        ratios = [
            [value / ours for value, ours in zip(own, series[f"{base} default whole"], strict=True)]
            for base in ("one", "stream")
        ]
        fractions = [f"{look(ratio):.2f}" for ratio in ratios for look in (min, statistics.median)]
        rows.append([text, *milliseconds(own), *fractions, f"{max(series[f'{name} peak']):.0f}"])
    print_table(head, rows)


def print_network(series: Series, operations: Numbers) -> None:
    """Print how far the whole is from the network alone, and the network from the floor."""
    billions = sum(value for name, value in operations.items() if name != "proposals")
    print(f"\n{billions:.1f} billion operations a photo, {operations['proposals']:.0f} proposals on the average")
    head = (
        "precision",
        "bare network: best, ms",
        "median, ms",
        "(a) / bare",
        "(b) / bare",
        "matrices, 1e9/s",
        "floor, ms",
    )
    rows = []
    for precision in PRECISIONS:
        bare = series[f"one {precision} bare"]
        wholes = [series[f"{way} {precision} whole"] for way in ("one", "stream")]
        ratios = [statistics.median(a / b for a, b in zip(whole, bare, strict=True)) for whole in wholes]
        rate = max(series[f"matrix {precision} rate"])
        fractions = [f"{ratio:.2f}" for ratio in ratios]
        rows.append([precision, *milliseconds(bare), *fractions, f"{rate:.0f}", f"{1e3 * billions / rate:.1f}"])
    print_table(head, rows)


def print_parts(series: Series, operations: Numbers) -> None:
    """Print the median of each part, beside its operations."""
    middles = {
        precision: {part: 1e3 * statistics.median(series[f"parts {precision} {part}"]) for part in PARTS}
        for precision in PRECISIONS
    }
    rows = [
        [part, f"{operations[part]:.2f}" if part in operations and part != PROPOSALS else ""]
        + [f"{own[part]:.1f} ({own[part] / sum(own.values()):.0%})" for own in middles.values()]
        for part in PARTS
    ]
    print_table(("part", "operations, 1e9", *(f"{precision}, ms" for precision in PRECISIONS)), rows)


def print_starts(photo: Path, folder: Path) -> None:
    """Print how long the commands take from the shell."""
    spica = str(Path(sys.executable).with_name("spica"))
    out = folder / "result"
    commands = {"spica predict PHOTO --out DIR": ["predict", str(photo), "--out", str(out)], "spica --help": ["--help"]}
    times: Series = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, arguments in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            times[name].append(seconds(partial(subprocess.run, [spica, *arguments], check=True, capture_output=True)))
    print_table(
        ("from the shell", "best, ms", "median, ms"), [[f"`{name}`", *milliseconds(times[name])] for name in times]
    )


def milliseconds(values: Iterable[float]) -> list[str]:
    """Return the least and the median."""
    ordered = sorted(values)
    return [f"{1e3 * look(ordered):.1f}" for look in (min, statistics.median)]


COMMANDS: dict[str, Callable[..., None]] = {
    "work": work,
    "check": check,
    "operations": count_operations,
    "render": render,
}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
