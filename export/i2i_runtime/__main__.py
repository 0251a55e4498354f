"""`python -m i2i_runtime`, the same as the program `i2i-runtime`."""

from i2i_runtime.cli import main

if __name__ == "__main__":
    main()
