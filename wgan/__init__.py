"""WGAN-GP in TensorFlow and Keras: one generator and one critic, trained on one class of images."""
