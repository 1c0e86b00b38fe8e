"""What the author of a Sightgate plugin imports. Standard library only; Pillow and NumPy are the plugin's own."""

from sightgate.errors import InputError, InvalidOptions, InvalidResult, SightgateError, Unavailable, UndecodableImage
from sightgate.fields import Field
from sightgate.image import Image
from sightgate.plugin import Plugin
from sightgate.reporting import progress
from sightgate.results import Box, Keypoint, Keypoints, Label, Point, Polygon, TextRegion

__version__ = "0.1.0"
__all__ = [
    "Box",
    "Field",
    "Image",
    "InputError",
    "InvalidOptions",
    "InvalidResult",
    "Keypoint",
    "Keypoints",
    "Label",
    "Plugin",
    "Point",
    "Polygon",
    "SightgateError",
    "TextRegion",
    "Unavailable",
    "UndecodableImage",
    "progress",
]
