"""The commands, a module each with its flags; and what other programs and the notebook call."""
