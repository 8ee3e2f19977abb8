"""Everything that shapes a detector, as named settings that a recipe can set and weights carry with them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Stride = Annotated[int, Field(ge=1)]
Sizes = Annotated[tuple[Positive, ...], Field(min_length=1)]
Rgb = tuple[float, float, float]
Convolutions = Literal["plain", "separable"]


class Settings(BaseModel):
    """Frozen settings; an unknown key is an error, and so is a number that is not finite, which JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BackboneSettings(Settings):
    """Which network makes the feature maps, where its weights come from, and how much of it learns."""

    name: str = "torchvision/mobilenet_v2"
    """`torchvision/NAME`, `timm/NAME`, `pretrainedmodels/NAME`, or `package.module:callable`."""
    weights: str = "default"
    """`default` (the library's own pretrained weights), `none`, or the path of a local file."""
    mean: Rgb | None = None
    """Mean of each channel, for pixels in [0, 1]; by default what the weights were trained with."""
    std: tuple[Positive, Positive, Positive] | None = None
    """Standard deviation of each channel, likewise."""
    licence: str | None = None
    """Licence of a local file of weights, to be recorded."""
    transfer: str = "fine-tune"
    """`fixed` (nothing learns), `fine-tune` (everything learns), or `from:STAGE` (STAGE and what follows learn)."""
    batch_norm: Literal["frozen", "train", "folded"] = "frozen"
    """Statistics and scale kept as they are, learnt further, or folded into the convolutions before them."""


class NeckSettings(Settings):
    """What stands between the backbone and the two heads."""

    kind: Literal["single", "fpn"] = "fpn"
    """`single`: the backbone's last map as it is; `fpn`: a feature pyramid."""
    strides: tuple[Stride, ...] = Field(default=(8, 16, 32), min_length=1)
    """Strides of the pyramid's levels, fine to coarse; for `single` the one map's stride."""
    channels: int = Field(default=128, ge=8)
    """Channels of every level of the pyramid; `single` keeps the backbone's."""
    convolutions: Convolutions = "plain"
    """The pyramid's 3 x 3 convolutions: `separable` ones (each channel for itself, then 1 x 1) cost an eighth."""
    blocks: int = Field(default=0, ge=0)
    """Residual blocks of two separable convolutions behind each level of the pyramid; `single` has none."""


class AnchorSettings(Settings):
    """The boxes that proposals start from, in pixels of the resized photo."""

    sizes: tuple[Sizes, ...] = ((16, 24), (36, 54), (80, 120))
    """Square roots of the areas, a tuple for each level."""
    ratios: tuple[Positive, ...] = Field(default=(0.5, 1.0, 2.0), min_length=1)
    """Height / width."""


class ProposalSettings(Settings):
    """The region proposal network."""

    convolutions: Convolutions = "plain"
    """Its 3 x 3 convolution, likewise."""
    before_suppression: int = Field(default=1000, ge=1)
    """Best anchors kept on each level."""
    train: int = Field(default=512, ge=1)
    """Proposals of a photo while training."""
    detect: int = Field(default=1000, ge=1)
    """Proposals of a photo while detecting; there are never more boxes than proposals, so this is a cap of counts."""
    least_score: Fraction = 0.0
    """While detecting, proposals below are not looked at: a photo with few heads is then quick."""
    suppression_iou: Fraction = 0.7
    head_iou: Fraction = 0.7
    """An anchor of at least this IoU with a head is a head."""
    background_iou: Fraction = 0.3
    """An anchor of less than this IoU with every head is background; those between do not count."""
    samples: int = Field(default=256, ge=2)
    """Anchors of a photo that the loss looks at, half of them heads where there are enough."""

    @model_validator(mode="after")
    def _heads_overlap_more_than_background(self) -> "ProposalSettings":
        if self.background_iou > self.head_iou:
            raise ValueError(f"background_iou is {self.background_iou}, expected at most head_iou, {self.head_iou}")
        return self


class PoolingSettings(Settings):
    """How a proposal becomes a small square of features."""

    kind: Literal["align", "pool"] = "align"
    """RoIAlign or RoIPool."""
    side: int = Field(default=7, ge=1)
    sampling: int = Field(default=2, ge=1)
    """Points for each cell and axis (RoIAlign)."""
    channels: int | None = Field(default=None, ge=1)
    """Maps are brought to so many channels before they are pooled, by a 1 x 1 convolution: with half of them the first
    layer of the R-CNN head takes half the time. None for as many as they have."""


class HeadSettings(Settings):
    """The R-CNN head: a box and a score for each proposal."""

    channels: int = Field(default=256, ge=1)
    """Width of the two fully connected layers."""
    head_iou: Fraction = 0.5
    """A proposal of at least this IoU with a head is a head."""
    samples: int = Field(default=256, ge=1)
    """Proposals of a photo that the loss looks at."""
    head_fraction: Fraction = 0.25
    """At most this part of them are heads."""
    box_loss: Literal["smooth_l1", "giou"] = "smooth_l1"
    """What boxes learn from: the differences of their sides, or how they overlap."""
    refine_iou: Fraction = 0.0
    """A second stage looks again at the boxes of the first; of at least this IoU with a head, one is a head there. 0
    for a single stage."""
    refine_score: Fraction = 0.05
    """Boxes of the first stage below are not looked at again."""
    least_score: Fraction = 0.05
    """Boxes below are not reported."""
    suppression_iou: Fraction = 0.5
    voting_iou: Fraction = 1.0
    """A box becomes the mean, by score, of all before suppression that overlap it by more; 1 for no voting."""
    most_boxes: int = Field(default=1000, ge=1)
    """Cap of the boxes of a photo."""


class DetectorSettings(Settings):
    """A whole Faster R-CNN."""

    side: int = Field(default=512, ge=32)
    """Photos are resized so that their longer side has this many pixels."""
    backbone: BackboneSettings = BackboneSettings()
    neck: NeckSettings = NeckSettings()
    anchors: AnchorSettings = AnchorSettings()
    proposals: ProposalSettings = ProposalSettings()
    pooling: PoolingSettings = PoolingSettings()
    head: HeadSettings = HeadSettings()

    @model_validator(mode="after")
    def _sizes_match_levels(self) -> "DetectorSettings":
        levels = len(self.neck.strides)
        if self.neck.kind == "single" and levels != 1:
            raise ValueError(f"neck.strides has {levels} entries, expected 1 for a single map, such as [32]")
        if self.neck.kind == "single" and self.neck.blocks:
            raise ValueError(f"neck.blocks is {self.neck.blocks}, expected 0 for a single map: blocks belong to fpn")
        if tuple(sorted(set(self.neck.strides))) != self.neck.strides:
            raise ValueError(f"neck.strides is {list(self.neck.strides)}, expected increasing strides")
        if len(self.anchors.sizes) != levels:
            raise ValueError(
                f"anchors.sizes has {len(self.anchors.sizes)} entries, expected {levels}, one for each of neck.strides"
            )
        if len({len(sizes) for sizes in self.anchors.sizes}) != 1:
            raise ValueError("anchors.sizes has levels of different length, expected the same number on each level")
        return self
