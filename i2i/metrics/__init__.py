"""How good a picture is, as numbers."""
