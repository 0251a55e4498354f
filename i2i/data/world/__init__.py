"""The built-in world: drawn streets as simulated and real images with label maps, so that methods can be scored."""

from i2i.data.world.drive import MOST_FRAMES, draw_drive
from i2i.data.world.folder import held_out_count, make_world
from i2i.data.world.gap import Gap, parse_gap
from i2i.data.world.scene import Scene, draw_scene
from i2i.data.world.street import CLASSES

__all__ = [
    "CLASSES",
    "MOST_FRAMES",
    "Gap",
    "Scene",
    "draw_drive",
    "draw_scene",
    "held_out_count",
    "make_world",
    "parse_gap",
]
