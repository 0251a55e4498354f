"""The built-in world: drawn streets as simulated, real and labelled pictures, so that learning can be scored."""

from i2i.data.world.folder import held_out, make_world
from i2i.data.world.scene import Scene, draw_scene
from i2i.data.world.street import CLASSES

__all__ = ["CLASSES", "Scene", "draw_scene", "held_out", "make_world"]
