"""The kinds of fields that are rendered: each is one camera, light, ripeness, density and variety."""

from dataclasses import dataclass
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]  # sRGB, 0 to 255
Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Source:
    """One field session. Lengths are in 1/1024 of the photo's side, angles in degrees, the rest from 0 to about 1.

    `shoots` is the mean number of shoots with leaves but no head, `leaves` how many a shoot has; `tilt` the angle
    between heads and the vertical; `slant` how far the camera looks to the side (0: straight down); `awns` their length
    as a share of the head's; `dead` how much of the leaves is yellow or brown; `gap` the share of photos with a
    strip of bare ground; `sun` its height above the horizon; `overcast` 0 for hard shadows, 1 for none; `bright` the
    value that the brightest twentieth of the photo reaches; `warm` shifts white towards yellow (above 0) or blue;
    `blur` is in pixels of a photo of 1024; `noise` a share of white.
    """

    name: str
    heads: float
    shoots: float
    head_length: float
    head_width: float
    leaves: int
    tilt: Range
    slant: float
    awns: float
    head_colours: tuple[Colour, ...]
    awn_colour: Colour
    leaf_colours: tuple[Colour, ...]
    dead_colours: tuple[Colour, ...]
    dead: float
    soil_colour: Colour
    gap: float
    sun: Range
    overcast: Range
    bright: Range
    warm: Range
    blur: Range
    noise: Range


GREEN = ((54, 77, 38), (68, 90, 45), (47, 70, 43))
BLUISH = ((56, 74, 61), (70, 88, 74), (49, 68, 51))
YELLOWING = ((112, 122, 54), (150, 138, 64), (84, 106, 48))
STRAW = ((176, 140, 82), (190, 158, 100), (150, 112, 66))
BROWN = ((122, 90, 60), (146, 108, 72), (98, 74, 52))

SOURCES: tuple[Source, ...] = (
    Source(
        name="golden_awned",
        heads=44.0, shoots=36.0, head_length=122.0, head_width=31.0, leaves=4, tilt=(20.0, 100.0), slant=0.12, awns=1.0,
        head_colours=((212, 184, 122), (222, 200, 140), (196, 166, 100), (188, 176, 104)), awn_colour=(214, 182, 112),
        leaf_colours=(*STRAW, (182, 158, 60), (120, 132, 56)), dead_colours=(*BROWN, *STRAW), dead=1.0,
        soil_colour=(112, 92, 74), gap=0.05, sun=(45.0, 65.0), overcast=(0.0, 0.25), bright=(0.84, 0.95),
        warm=(0.02, 0.14), blur=(0.2, 0.7), noise=(0.004, 0.012),
    ),
    Source(
        name="golden_awnless",
        heads=46.0, shoots=30.0, head_length=118.0, head_width=35.0, leaves=4, tilt=(25.0, 100.0), slant=0.15,
        awns=0.06,
        head_colours=((224, 204, 150), (206, 182, 120), (214, 200, 140)), awn_colour=(214, 190, 130),
        leaf_colours=(*STRAW, *YELLOWING), dead_colours=(*BROWN, *STRAW), dead=0.9,
        soil_colour=(120, 102, 86), gap=0.05, sun=(45.0, 65.0), overcast=(0.0, 0.2), bright=(0.82, 0.94),
        warm=(0.0, 0.1), blur=(0.2, 0.8), noise=(0.004, 0.012),
    ),
    Source(
        name="glaucous_awned",
        heads=24.0, shoots=40.0, head_length=112.0, head_width=37.0, leaves=4, tilt=(20.0, 75.0), slant=0.2, awns=1.15,
        head_colours=((186, 198, 172), (204, 210, 188), (168, 184, 150)), awn_colour=(150, 150, 74),
        leaf_colours=(*BLUISH, *GREEN), dead_colours=(*BROWN, *STRAW), dead=0.45,
        soil_colour=(158, 122, 88), gap=0.15, sun=(45.0, 65.0), overcast=(0.0, 0.5), bright=(0.66, 0.88),
        warm=(-0.04, 0.06), blur=(0.3, 0.9), noise=(0.006, 0.016),
    ),
    Source(
        name="green_gaps",
        heads=28.0, shoots=60.0, head_length=132.0, head_width=34.0, leaves=4, tilt=(25.0, 90.0), slant=0.3, awns=0.06,
        head_colours=((168, 182, 122), (192, 198, 140), (146, 164, 112)), awn_colour=(150, 160, 90),
        leaf_colours=(*GREEN, *BLUISH), dead_colours=(*STRAW, *BROWN), dead=0.3,
        soil_colour=(146, 112, 78), gap=0.55, sun=(40.0, 65.0), overcast=(0.0, 0.6), bright=(0.5, 0.78),
        warm=(-0.03, 0.06), blur=(0.4, 1.0), noise=(0.006, 0.014),
    ),
    Source(
        name="oblique_green",
        heads=72.0, shoots=75.0, head_length=92.0, head_width=25.0, leaves=2, tilt=(12.0, 50.0), slant=0.85, awns=0.06,
        head_colours=((158, 172, 104), (176, 188, 126), (148, 164, 108)), awn_colour=(150, 160, 90),
        leaf_colours=(*BLUISH, (58, 80, 54)), dead_colours=(*STRAW, (70, 84, 50)), dead=0.2,
        soil_colour=(92, 74, 54), gap=0.0, sun=(40.0, 60.0), overcast=(0.05, 0.6), bright=(0.68, 0.82),
        warm=(-0.06, 0.03), blur=(0.3, 0.7), noise=(0.004, 0.010),
    ),
    Source(
        name="dark_nadir",
        heads=44.0, shoots=46.0, head_length=104.0, head_width=37.0, leaves=4, tilt=(8.0, 75.0), slant=0.1, awns=0.068,
        head_colours=((168, 172, 112), (188, 188, 138), (146, 156, 98)), awn_colour=(190, 184, 130),
        leaf_colours=((47, 66, 42), (58, 77, 48), (108, 98, 42)), dead_colours=(*BROWN, (94, 84, 46)), dead=0.45,
        soil_colour=(66, 54, 45), gap=0.0, sun=(50.0, 70.0), overcast=(0.5, 1.0), bright=(0.46, 0.66),
        warm=(-0.02, 0.08), blur=(0.4, 1.0), noise=(0.004, 0.010),
    ),
    Source(
        name="sparse_flash",
        heads=28.0, shoots=26.0, head_length=138.0, head_width=38.0, leaves=3, tilt=(15.0, 95.0), slant=0.15, awns=0.25,
        head_colours=((196, 206, 158), (216, 212, 166), (160, 182, 136)), awn_colour=(220, 214, 176),
        leaf_colours=((64, 84, 62), (74, 92, 64), (122, 108, 62)), dead_colours=(*BROWN, (166, 130, 100)), dead=0.7,
        soil_colour=(84, 76, 70), gap=0.35, sun=(60.0, 80.0), overcast=(0.35, 0.8), bright=(0.55, 0.74),
        warm=(-0.07, 0.03), blur=(0.2, 0.7), noise=(0.004, 0.012),
    ),
)  # fmt: skip
