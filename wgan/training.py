"""One training run: networks, optimizers and callbacks put together, and `fit` called once."""

import platform

import keras
import tensorflow as tf

from wgan import callbacks, checkpoints, files, images, initial_weights, precision
from wgan.batches import epoch_batches
from wgan.errors import UserError
from wgan.evaluation.callback import Evaluation
from wgan.gan import WGANGP
from wgan.history import History
from wgan.networks import Critic, Generator


def train(config, folder, image_set, sha256, state):
    """Trains up to `config.epochs` and leaves weights, state, history and grids on disk.

    Args:
        config: a checked `TrainingConfig` with a canonical label.
        folder: its `RunFolder`.
        image_set: the real images.
        sha256: their fingerprint, stored with the run.
        state: the `checkpoints.State` to continue from, or None for a new run, which replaces whatever
            files of a run are there.

    Returns:
        The exit status: 0, or 128 + the number of the signal that stopped the run.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    channels = image_set.images.shape[-1]
    gan, twin = build_gan(config, channels), build_gan(config, channels)
    epoch, history = _begin(gan, config, folder, state)
    folder.mark_as_one_run()
    folder.write_config(config, image_set, sha256, versions())

    with callbacks.StopOnSignal() as stop, files.BackgroundWriter() as writer:
        writer.submit(_save_reals, folder.reals_path, image_set.images)
        batches = epoch_batches(image_set.images, config.seed, config.critic_steps, config.batch_size,
                                epoch + 1, config.epochs)
        _fit(gan, batches, initial_epoch=epoch, epochs=config.epochs, steps_per_epoch=1, shuffle=False, verbose=0,
             callbacks=[stop,
                        Evaluation(config, image_set, history, twin, writer),  # first: it adds to the figures
                        callbacks.HistoryWriter(history, folder.history_path, writer),
                        callbacks.SampleGrids(config, writer),
                        callbacks.Checkpoints(config, twin, history, folder.curves_path, writer),
                        callbacks.Progress(epoch + 1, config.epochs)])
    return _report(stop.signal_number, config, len(history.rows))


def _fit(gan, batches, **arguments):
    """`gan.fit`, with one line in place of a traceback where the device's memory is too small."""
    try:
        gan.fit(batches, **arguments)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError("out of memory: choose a smaller --batch_size or --image_size") from error


def build_gan(config, channels):
    """A compiled `WGANGP` with all its variables, its initial weights drawn from the configured seed."""
    keras.utils.set_random_seed(config.seed)
    precision.use(config.precision)
    gan = WGANGP(Generator(config.latent_dim, channels, config.image_size), Critic(channels, config.image_size),
                 config.seed, config.critic_steps, config.gradient_penalty_weight)
    gan.compile(_optimizer(config), _optimizer(config), jit_compile=_compiled_by_xla(config))
    return gan


def _optimizer(config):
    adam = keras.optimizers.Adam(config.learning_rate, config.beta_1, config.beta_2)
    return precision.scaled_against_underflow(adam, config.precision)


def _compiled_by_xla(config):
    return config.xla == "on" or config.xla == "auto" and precision.gpu_capability() is not None


def _begin(gan, config, folder, state):
    """Gives the GAN its first weights; (epochs behind it, history)."""
    if state is not None:
        checkpoints.restore(gan, state.path)
        folder.remove_grids_after(state.epoch)
        print(f"continuing the run in {folder.checkpoint_dir} after epoch {state.epoch}")
        return state.epoch, state.history
    if config.init_from:
        initial_weights.load_weights(gan, config.init_from)
    replaced = folder.files_of_a_run()
    if replaced:
        print(folder.describe(replaced))
        folder.remove_run()
    return 0, History()


def print_plan(config, folder, image_set, state):
    """Prints what `train` would do: settings, images, networks and disk use. Writes nothing."""
    gan = build_gan(config, image_set.images.shape[-1])
    if config.init_from and state is None:
        initial_weights.load_weights(gan, config.init_from)  # to see whether they fit
    for name, value in config.to_json().items():
        print(f"{name}: {value}")
    print(f"images: {len(image_set.images)} ({image_set.name}), {' x '.join(map(str, image_set.images.shape[1:]))}")
    print(f"generator parameters: {gan.generator.count_params():,}")
    print(f"critic parameters: {gan.critic.count_params():,}")
    begun = state.epoch if state else 0
    print(f"epochs to run: {begun + 1} to {config.epochs}" if begun < config.epochs else
          f"epochs to run: none, the run has {begun}")
    replaced = [] if state else folder.files_of_a_run()
    if replaced:
        print(folder.describe(replaced))
    print(f"disk: about {_disk_bytes(config, gan, image_set) / 1e6:,.0f} MB")


def _disk_bytes(config, gan, image_set):
    """An estimate: two states, the weights and the best generator's, history, and grids as large as their pixels."""
    state = sum(array.nbytes for array in checkpoints.take_snapshot(gan))
    weights = 4 * (gan.count_params() + gan.generator.count_params())
    grid = images.image_grid(image_set.images[:16], columns=4).nbytes
    history_row = 110
    return 2 * state + weights + config.epochs * history_row + config.epochs // config.sample_every * grid


def _save_reals(path, reals):
    images.save_png(path, images.image_grid(reals[:16], columns=4))


def _report(signal_number, config, epoch):
    if signal_number is not None and epoch < config.epochs:
        print(f"saved at epoch {epoch}; the same command continues")
        return 128 + signal_number
    print(f"done: {epoch} epochs; weights in {config.checkpoint_dir}, grids in {config.sample_dir}")
    return 0


def versions():
    """What the run depends on, for the stored configuration."""
    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
