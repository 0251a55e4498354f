"""How long a test waits for what has to come."""

HANGS = 600  # seconds, after which a process or thread is taken to wait for ever; no test depends on how fast one is
