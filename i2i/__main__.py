"""`python -m i2i`, the same as the program `i2i`."""

from i2i.cli import main

main()
