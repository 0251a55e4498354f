"""When things happen in a run, how a loss becomes weights, and what is kept of it; no paper is known here."""
