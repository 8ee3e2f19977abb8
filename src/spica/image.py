"""The type of photos: RGB, uint8, shape (height, width, 3)."""

from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

Image: TypeAlias = UInt8[np.ndarray, "height width 3"]
