"""How many floating-point operations an epoch needs, a multiplication and an addition counting as two."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Layer:
    """Multiplications for one image in one pass: forward, input gradient and filter gradient cost the same.

    Attributes:
        name: what the layer is.
        multiplications: of the convolution as a sum.
        share: that remains in a Winograd convolution (`wgan.models.winograd`), its transforms not counted.
    """

    name: str
    multiplications: int
    share: float = 1.0


UNDER_3_TAPS, UNDER_5_TAPS = 36 / 144, 49 / 400  # for 4x4 results
HALVING = 36 * 4 / 400  # under 3 taps too, on the four phases


def generator_layers(image_size=32, latent_dim=100, channels=3):
    """The generator's layers with merged upsampling (36 multiplications per small pixel, not 100)."""
    layers = [Layer("dense", latent_dim * 4 * 4 * 128)]
    side, inputs = 4, 128
    widths = [128] * ((image_size // 32).bit_length() - 1) + [128, 64, 32]
    for number, outputs in enumerate(widths):
        share = UNDER_3_TAPS if side <= 8 and number < len(widths) - 1 else 1.0
        layers.append(Layer(f"upsampled conv {number + 1}", side * side * 36 * inputs * outputs, share))
        side, inputs = 2 * side, outputs
    return [*layers, Layer("last conv", side * side * 25 * inputs * channels)]


def critic_layers(image_size=32, channels=3):
    """The critic's layers."""
    layers, side, inputs = [], image_size, channels
    for number, outputs in enumerate([32, 64, 128] + [128] * ((image_size // 32).bit_length() - 1)):
        side //= 2
        share = HALVING if side <= 8 and number >= 2 else 1.0
        layers.append(Layer(f"halving conv {number + 1}", side * side * 25 * inputs * outputs, share))
        inputs = outputs
    return [*layers, Layer("conv", side * side * 25 * inputs * 128, UNDER_5_TAPS), Layer("dense", side * side * 128)]


def epoch_flops(batch_size=32, critic_steps=5, image_size=32, winograd=False):
    """Operations of one epoch, matrix products and convolutions alone; `winograd`: where that method applies.

    Critic update, in passes over one batch: reals and fakes forward, input and filter gradients (2 x 3);
    interpolates forward and their input gradients (2); from the penalty, a forward-like and a filter pass
    of each input gradient (2). The first layer's input gradient is needed for the interpolates only.
    Generator update: three passes of the generator, two of the critic.
    """
    total = lambda layers: sum(layer.multiplications * (layer.share if winograd else 1) for layer in layers)
    generator, critic = total(generator_layers(image_size)), critic_layers(image_size)
    critic_update = 10 * total(critic) - 2 * critic[0].multiplications + generator
    generator_update = 3 * generator + 2 * total(critic)
    return 2 * batch_size * (critic_steps * critic_update + generator_update)
