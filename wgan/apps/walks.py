"""The way from one latent to the next."""

import numpy as np


def line(start, end, share):
    """Linear interpolation, as `slerp`."""
    return (1 - share) * start + share * end


def slerp(start, end, share):
    """Spherical interpolation (Shoemake 1985): the direction turns at a constant speed.

    Normal latents lie near a sphere, of radius sqrt(dimension); a straight line between two of them would lead
    through its inside, where the generator has never been. Lengths that differ are interpolated in a line. Where
    the directions are the same or opposite, which leaves the way open, the line between them is taken.

    Args:
        start, end: float [..., dimension].
        share: of the way, 0 to 1.

    Returns:
        float64 of the same shape.
    """
    start, start_length = _unit(start)
    end, end_length = _unit(end)
    angle = np.arccos(np.clip((start * end).sum(axis=-1, keepdims=True), -1, 1))
    sine = np.sin(angle)
    straight = sine < 1e-6
    sine = np.where(straight, 1, sine)
    of_start = np.where(straight, 1 - share, np.sin((1 - share) * angle) / sine)
    of_end = np.where(straight, share, np.sin(share * angle) / sine)
    return (of_start * start + of_end * end) * ((1 - share) * start_length + share * end_length)


def _unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length == 0, 1, length), length


def closed_walk(stations, frames, between=slerp):
    """Yields the latents on the way from each station to the next, and from the last to the first.

    `stations`, float [K, N, latent_dim], are those of N walks side by side, through K latents each. A leg has `frames`,
    the first of them the station itself: K * frames times float64 [N, latent_dim]. `between` interpolates.
    """
    for start, end in zip(stations, np.roll(stations, -1, axis=0)):
        for frame in range(frames):
            yield between(start, end, frame / frames)
