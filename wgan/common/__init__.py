"""What all other packages stand on: errors, messages, the scripts' flags and output, TensorFlow's import."""
