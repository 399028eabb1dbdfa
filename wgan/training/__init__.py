"""One run from top to bottom: checks, the loop, and what watches it."""
