"""Trainings side by side: what is run, how it is kept going, and what it comes to. Needs no TensorFlow but in `row`."""
