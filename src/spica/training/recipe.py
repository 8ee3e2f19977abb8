"""The recipe: one TOML file with every setting of a training."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from spica.errors import RecipeError
from spica.model.checkpoint import read_settings
from spica.model.settings import DetectorSettings, Fraction, Settings
from spica.prediction.shipped import weights_path


class DataSettings(Settings):
    """What the card of the weights says of the training data."""

    name: str = ""
    licence: str = "unknown"


class ValidationSettings(Settings):
    """Which labelled photos are kept from training."""

    sources: tuple[str, ...] = ()
    """Whole sources held out: fields that the detector never sees. They choose nothing, they only judge."""
    fraction: float = Field(default=0.1, ge=0, lt=1)
    """Part of the other photos held out, of each source alike: chooses the best weights and the threshold."""
    seed: int = Field(default=0, ge=0)
    threshold: Literal["score", "counts"] = "score"
    """What the recommended threshold is best for: the highest score, or as many boxes as there are heads."""
    threshold_on: Literal["held", "trained"] = "held"
    """Photos that choose it where `fraction` holds none out: none with `held`, then it stays that of `start`; those
    trained on with `trained`, for the few photos of fine-tuning, which are not learnt by heart."""


class SampleSettings(Settings):
    """How a training sample is made from photos: geometry first, then colour."""

    side: int = Field(default=512, ge=32, multiple_of=32)
    """Width and height of a sample in pixels: a multiple of 32, which every backbone takes."""
    zoom: tuple[float, float] = (0.7, 1.4)
    """Range of the scale, 1 being the scale at which the detector looks at whole photos."""
    head_sides: tuple[float, float] | None = None
    """Range in pixels of a photo's median head on the sample, which sets the scale in place of `zoom`: for detectors
    that look again where heads have another size; the card says that they know these. Photos with fewer than three
    heads keep `zoom`."""
    bicubic: Fraction = 0.0
    """Probability that a photo is scaled with a bicubic filter, which is sharper, instead of a linear one."""
    flips: bool = True
    quarter_turns: bool = True
    mosaic: Fraction = 0.0
    """Probability that a sample is put together from four photos."""
    mixup: Fraction = 0.0
    """Probability that a sample is laid over another one, half transparent."""
    brightness: Fraction = 0.3
    """Largest relative change; likewise contrast, saturation and gains."""
    contrast: Fraction = 0.3
    saturation: Fraction = 0.3
    hue: float = Field(default=0.0, ge=0, le=0.5)
    """Largest turn of the colour circle."""
    gains: Fraction = 0.1
    """Each channel for itself: white balance."""
    blur: Fraction = 0.0
    """Probability of a Gaussian blur of 0.3 to 1.5 pixels."""
    jpeg: Fraction = 0.0
    """Probability of a compression with quality 30 to 90."""

    @model_validator(mode="after")
    def _are_ranges(self) -> "SampleSettings":
        for name, limits in (("zoom", self.zoom), ("head_sides", self.head_sides)):
            if limits and not 0 < limits[0] <= limits[1]:
                raise ValueError(f"sample.{name} is {list(limits)}, expected a smaller and a larger number above 0")
        return self


class OptimiserSettings(Settings):
    """How weights follow their gradients."""

    kind: Literal["adamw", "sgd"] = "adamw"
    rate: float = Field(default=6e-4, gt=0)
    """Learning rate after warm-up."""
    backbone_rate: float = Field(default=1.0, gt=0)
    """The backbone's learning rate, as a part of `rate`."""
    weight_decay: float = Field(default=1e-3, ge=0)
    """Of matrices and convolutions; biases and scales have none."""
    momentum: Fraction = 0.9
    """Of SGD."""
    clip: float = Field(default=10.0, ge=0)
    """Largest norm of the gradient; 0 for any."""


class ScheduleSettings(Settings):
    """How long, in which portions, and how the learning rate goes down."""

    epochs: float = Field(default=0, ge=0)
    """How often each photo is seen; 0 for no limit."""
    minutes: float = Field(default=0, ge=0)
    """Time budget, 0 for none; with both, whichever ends first."""
    batch: int = Field(default=4, ge=1)
    """Samples for each process and step."""
    accumulate: int = Field(default=1, ge=1)
    """Steps whose gradients are added up before the weights move."""
    warmup_steps: int = Field(default=100, ge=0)
    decay: Literal["cosine", "steps", "constant"] = "cosine"
    step_epochs: float = Field(default=3.0, gt=0)
    """With `steps`: the learning rate is multiplied by `step_factor` every so many epochs."""
    step_factor: Fraction = 0.1

    @model_validator(mode="after")
    def _ends(self) -> "ScheduleSettings":
        if not self.epochs and not self.minutes:
            raise ValueError("schedule has neither epochs nor minutes, expected at least one of them above 0")
        return self


class TeacherSettings(Settings):
    """Trained detectors from which the R-CNN head learns beside the labels: distillation."""

    weights: tuple[str, ...] = ()
    """`wheat`, paths of weights files or of run folders. They look at each sample in four mirrored views, and the mean
    of what they say counts. They must not have seen what is held out."""
    share: Fraction = 0.5
    """Part of what scores and boxes learn that is of them; the rest is of the labels."""


class RunSettings(Settings):
    """What does not change the model: the machine, and what is written when."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    averaging: Fraction = 0.998
    """Decay of the moving average of the weights, which is what is evaluated and kept; 0 for none."""
    start_share: Fraction = 0.0
    """Part of the weights that learning started from in those that are evaluated and kept: what was known before is
    forgotten less. Needs `start`."""
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0)
    """Threads of the processor; 0 for torch's choice. Resuming is exact only with the same number."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare samples; 0 prepares them between the steps."""
    cache_gigabytes: float = Field(default=4.0, ge=0)
    """Memory for decoded photos."""
    log_steps: int = Field(default=20, ge=1)
    evaluate_steps: int = Field(default=500, ge=1)
    evaluate_photos: int = Field(default=0, ge=0)
    """Validation photos looked at while training; 0 for all."""
    checkpoint_minutes: float = Field(default=5.0, ge=0)


class Recipe(Settings):
    """Every setting of a training run."""

    start: str = ""
    """Weights that learning starts from: `wheat` (those in the package), or the path of a weights file or run folder.
    [detector] has their settings then, but for what the recipe sets itself."""
    detector: DetectorSettings = DetectorSettings()
    data: DataSettings = DataSettings()
    validation: ValidationSettings = ValidationSettings()
    sample: SampleSettings = SampleSettings()
    teacher: TeacherSettings = TeacherSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    schedule: ScheduleSettings = ScheduleSettings(epochs=10)
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _has_a_start_to_share(self) -> "Recipe":
        if self.run.start_share and not self.start:
            raise ValueError("run.start_share is set and start is not, expected weights that learning starts from")
        return self


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a TOML file, with `key=value` settings put in place of its own.

    Values are written as in TOML; a word without quotes is a text.

    Raises:
        RecipeError: for a file that is missing or not TOML, an unknown key, or a value that does not fit.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); expected a recipe in TOML") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error
    for setting in settings:
        _put(content, setting)
    if content.get("start"):
        known = read_settings(weights_path(str(content["start"]))).model_dump(mode="json")
        content["detector"] = _over(known, content.get("detector", {}))
    return recipe_from(content, str(path))


def _over(known: dict[str, Any], own: Any) -> Any:
    """Return nested settings with a recipe's own in place of those known."""
    if not isinstance(own, dict):
        return own  # no table: the recipe's error, told as such
    return {
        **known,
        **{key: _over(known[key], own[key]) if isinstance(known.get(key), dict) else own[key] for key in own},
    }


def recipe_from(content: dict[str, Any], name: str) -> Recipe:
    """Return the recipe of nested settings; `name` says in errors where they come from.

    Raises:
        RecipeError: for an unknown key or a value that does not fit, all of them in one message.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        lines = [_line(dict(problem)) for problem in error.errors(include_url=False)]
        raise RecipeError(f"{name}: {'; '.join(lines)}") from error


def _line(problem: dict[str, Any]) -> str:
    place = tuple(str(part) for part in problem["loc"])
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {key}; known are {', '.join(_known(place[:-1]))}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{key} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _known(place: tuple[str, ...]) -> list[str]:
    model: Any = Recipe
    for part in place:
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)


def _put(content: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"setting {setting!r}: expected key=value, such as schedule.epochs=20")
    *tables, last = key.strip().split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise RecipeError(f"setting {setting!r}: {table} is a value, not a table of settings")
    try:
        content[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        content[last] = text.strip()
