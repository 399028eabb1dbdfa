"""One training run: networks, optimizers and callbacks put together, and the epochs run."""

import collections
import contextlib
import dataclasses
import random
import re
import shutil
import sys

import keras
import numpy as np
import tensorflow as tf

from wgan.common import startup
from wgan.common.errors import NumbersWentWrong, TakenOver, UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.common.output import note
from wgan.config import TrainingConfig
from wgan.data import ImageSet
from wgan.evaluation.callback import evaluation
from wgan.images import grids, samples
from wgan.models import networks, precision, surroundings
from wgan.models.conditional import ConditionalGAN
from wgan.models.constraints import CONSTRAINTS
from wgan.models.gan import GAN
from wgan.models.losses import LOSSES
from wgan.models.optimizers import Adam
from wgan.models.semi_supervised import SemiSupervisedGAN
from wgan.runs import checkpoints, drive, files, initial_weights, sample_files
from wgan.runs.drive import Drive
from wgan.runs.history import History, columns
from wgan.runs.lock import RunLock
from wgan.runs.run_folder import RunFolder
from wgan.training import callbacks, distribution, tensorboard
from wgan.training.batches import epoch_batches
from wgan.training.epochs import epoch_step, run_epochs

GANS = {"plain": GAN, "conditional": ConditionalGAN, "semi_supervised": SemiSupervisedGAN}  # by recipes' names
MAX_ROLLBACKS = 3  # from the same state
BYTES_OF_A_PLOT = 25_000


@dataclasses.dataclass(frozen=True)
class Run:
    """What belongs to a run from its first epoch to its last."""

    config: TrainingConfig  # checked, with a canonical label
    folder: RunFolder
    image_set: ImageSet
    lock: RunLock  # on the folder
    drive: Drive | None  # with a copy of the run, which has a lock of its own


@surroundings.usual()
def train(run, sha256, state, device):
    """Trains up to `config.epochs` and leaves weights, state, history and grids on disk.

    Args:
        run: a `Run`.
        sha256: the images' fingerprint, stored with the run.
        state: the `checkpoints.State` to continue from, or None for a new run, which replaces whatever
            files of a run are there.
        device: what computes, in words.

    Returns:
        The exit status: 0, or 128 + the number of the signal that stopped the run.

    Raises:
        UserError: the numbers went wrong again and again, memory was too small, or another process has
            taken the folder over.
        OSError: the disk failed to the end.
    """
    config, folder, image_set = run.config, run.folder, run.image_set
    gan = _build(config, image_set)
    if told := distribution.note_of(config):
        print(told)
    _check_space(config, folder, gan, image_set, state.epoch if state else 0)
    epoch, history = _begin(gan, run, state)
    folder.mark_as_one_run()
    folder.write_config(config, image_set, sha256, {"epoch": epoch, "device": device, **startup.versions()})
    if config.tensorboard:
        print(tensorboard.how_to_look(folder.events_dir))
    if gan.jit_compile:
        print("compiling the epoch with XLA, which takes about a minute", flush=True)

    with callbacks.StopOnSignal() as stop, drive.copying(run.drive, epoch) as copy_soon, files.TolerantSaver() as saver:
        saver.save("grids", grids.save_png, folder.reals_path, samples.reals_grid(image_set, config.recipe_spec))
        with _trouble_told(config):
            history = Trainer(gan, run, stop, saver, copy_soon).train_with_nan_recovery(history)
    return _report(stop.signal_number, config, len(history.rows))


@surroundings.usual()
def assist(config, image_set):
    """Does the same updates as the chief of a run on several hosts, and writes nothing; the exit status.

    Raises:
        UserError: another host is lost, or this one's memory is too small.
    """
    gan = _build(config, image_set)
    step = epoch_step(gan)
    with callbacks.StopOnSignal() as stop, _trouble_told(config):
        team, goes_on = distribution.Team(gan, stop), True
        while goes_on:
            epochs = range(team.take_state_of_chief() + 1, config.epochs + 1)
            run_epochs(gan, step, batches_of_run(config, image_set, epochs, int(gan.attempt.numpy())), epochs, [team])
            goes_on = team.goes_back()
    return 128 + stop.signal_number if stop.signal_number and team.epoch < config.epochs else 0


@contextlib.contextmanager
def _trouble_told(config):
    """Where the device's memory is too small, images cannot be read or another host is lost in the block, a line in
    place of TensorFlow's error."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(
            "out of memory: end what else uses the device, or begin a new run with a smaller --batch_size, "
            "--generator_batch_size or --image_size"
        ) from error
    except tf.errors.UnknownError as error:
        told = re.search("UserError: (.*)", error.message)  # of `Records`, which `tf.data` has asked for images
        if not told:
            raise
        raise UserError(told[1]) from error
    except distribution.LOST as error:
        if config.distribute != "multi_worker":
            raise
        raise UserError(
            "another host has ended or no longer answers; once all are there, the same command on all of them "
            f"continues (TensorFlow: {one_line(error, longest=200)})"
        ) from error


def _build(config, image_set):
    """The GAN of a run, on the devices that train it."""
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    with _trouble_told(config), distribution.strategy_of(config).scope():
        return build_gan(config, image_set.images.shape[-1], image_set.class_counts)


def batches_of_run(config, image_set, epochs, attempt=0):
    """The `epoch_batches` of some epochs, with the labels that the recipe wants."""
    recipe, images, labels = config.recipe_spec, image_set.images, image_set.labels
    return epoch_batches(
        (images, labels) if recipe.is_conditional else images,
        config.seed,
        (config.critic_steps, config.batch_size, *distribution.place_of(config)),
        epochs,
        attempt,
        labels if recipe.wants_labels and not recipe.is_conditional else None,
    )


class Trainer:
    """Runs the epochs, some of them again where numbers went wrong."""

    def __init__(self, gan, run, stop, saver, copy_soon):
        """Args: a `GAN`, a `Run`, a `StopOnSignal`, a `TolerantSaver`; what to call when a state has been written."""
        self._gan, self._run, self._stop, self._saver, self._copy_soon = gan, run, stop, saver, copy_soon
        self._step = epoch_step(gan)
        self._team = distribution.Team(gan, stop) if run.config.distribute == "multi_worker" else None

    def train_with_nan_recovery(self, history):
        """Trains, and goes back to the last good state when numbers go wrong; the history at the end.

        The same random numbers would lead to the same end, so each attempt draws others.
        """
        rollbacks = collections.Counter()  # by epoch
        run = self._run
        while True:
            checkpointing = callbacks.Checkpoints(run.config, run.folder, history, self._saver, self._copy_soon)
            try:
                self._train(history, checkpointing)
                return history
            except NumbersWentWrong as error:
                good = checkpointing.good
                if good is None:
                    raise UserError(
                        f"{error}: the run begins with such numbers; give it other weights with "
                        "--init_from, or start over with --fresh"
                    ) from error
                rollbacks[good.epoch] += 1
                attempt = int(self._gan.attempt.numpy())
                run.folder.add_rollback({"from_epoch": good.epoch, "attempt": attempt, "what": str(error)})
                checkpoints.put_back(self._gan, good.snapshot)
                if rollbacks[good.epoch] > MAX_ROLLBACKS:
                    checkpointing.save_good()
                    saved = f" The state of epoch {good.epoch} is saved." if good.epoch else ""
                    raise UserError(
                        f"the numbers went wrong {MAX_ROLLBACKS + 1} times, last {error}.{saved} A new run with a "
                        "smaller --learning_rate or --critic_learning_rate, or with --precision float32, may do better"
                    ) from error
                print(
                    f"warning: {error}; going back to epoch {good.epoch}, on with other random numbers", file=sys.stderr
                )
                self._gan.attempt.assign_add(1)
                history = History(good.rows)
                if self._team:
                    self._team.goes_back(True)

    def _train(self, history, checkpointing):
        """Runs the epochs after those in the history, after which the newest state is saved whatever has ended them."""
        config, gan, epoch = self._run.config, self._gan, len(history.rows)
        epochs = range(epoch + 1, config.epochs + 1)
        if self._team:
            self._team.take_state_of_chief(epoch)
        try:
            batches = batches_of_run(config, self._run.image_set, epochs, int(gan.attempt.numpy()))
            run_epochs(gan, self._step, batches, epochs, self._callbacks(history, checkpointing))
            if self._team:
                self._team.goes_back(False)
        except (NumbersWentWrong, TakenOver):
            raise
        except BaseException:
            self._run.lock.check()  # a process that was suspended for long finds out only now
            checkpointing.save_newest()
            raise

    def _callbacks(self, history, checkpointing):
        """All of them, in the order in which they see an epoch."""
        run, config, saver = self._run, self._run.config, self._saver
        events = tensorboard.EventWriter(config, run.folder, run.image_set, history, saver)
        looks = [run.lock.check, *([run.drive.lock.raise_if_lost] if run.drive else [])]
        return [
            keras.callbacks.LambdaCallback(on_epoch_end=checkpointing.reach),
            self._stop,
            *(keras.callbacks.LambdaCallback(on_epoch_end=lambda *_, look=look: look()) for look in looks),
            callbacks.WatchNumbers(),
            evaluation(config, run.image_set, history, saver),
            callbacks.HistoryWriter(history, run.folder.history_path, columns(config.recipe_spec), saver),
            callbacks.SampleGrids(config, saver),
            *([events] if config.tensorboard else []),
            checkpointing,
            callbacks.Progress(len(history.rows) + 1, config.epochs),
            *([self._team] if self._team else []),
        ]


@surroundings.usual()
def build_gan(config, channels, class_counts=()):
    """A compiled `GAN` with all its variables, its initial weights drawn from the configured seed.

    The images have 1 or 3 channels; for a recipe that learns classes `class_counts` says how many there are of each.
    """
    with _initializers_seeded(config.seed), precision.policy_scope(config.precision):
        recipe = config.recipe_spec
        _check_parts(recipe)
        generator, critic = networks.build(config, channels, len(class_counts))
        gan = GANS[recipe.gan](
            generator,
            critic,
            LOSSES[recipe.loss],
            CONSTRAINTS[recipe.constraint](config),
            seed=config.seed,
            critic_steps=config.critic_steps,
            generator_batch_size=config.generator_batch_size,
            drift_weight=config.drift_weight,
            ema_decay=config.ema_decay,
            flips=config.mirrors,
            augmentation=config.augmentation,
            **({"class_frequencies": class_counts} if recipe.is_conditional else {}),
        )
        gan.compile(
            _optimizer(config, config.learning_rate, updates_per_epoch=1),
            _optimizer(config, config.critic_learning_rate or config.learning_rate, config.critic_steps),
            jit_compile=_compiled_by_xla(config),
        )
    return gan


def _check_parts(recipe):
    """Raises UserError where a recipe names a part that does not exist."""
    tables: dict[str, dict] = {"networks": networks.NETWORKS, "loss": LOSSES, "constraint": CONSTRAINTS, "gan": GANS}
    for field, table in tables.items():
        if (name := getattr(recipe, field)) not in table:
            raise UserError(
                f"recipe {recipe.name}: {field} is {one_line(name)!r}{did_you_mean(name, table)}; it may be "
                f"{', '.join(table)}"
            )


@contextlib.contextmanager
def _initializers_seeded(seed):
    """Keras seeds the generators of Python and NumPy too, which go on in the calling program as if it had not."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _optimizer(config, learning_rate, updates_per_epoch):
    """With its learning rate over a network's updates, counted in the network's own."""
    schedules, rate = keras.optimizers.schedules, learning_rate
    if config.decay_epochs:
        rate = schedules.PolynomialDecay(rate, config.decay_epochs * updates_per_epoch, end_learning_rate=0.0)
    elif config.step_epochs:
        steps = config.step_epochs * updates_per_epoch
        rate = schedules.ExponentialDecay(rate, steps, config.step_decay, staircase=True)
    made = {
        "adam": lambda: Adam(rate, config.beta_1, config.beta_2),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, config.momentum),
    }[config.optimizer]()
    # In float16 gradients would underflow without a loss scale.
    return keras.optimizers.LossScaleOptimizer(made) if config.precision == "float16" else made


def _compiled_by_xla(config):
    if config.xla == "auto" and config.distribute == "none" and not config.deterministic:  # Keras refuses the latter
        return precision.gpu_capability() is not None
    return config.xla == "on"  # which neither of the two allows


def _begin(gan, run, state):
    """Gives the GAN its first weights; (epochs behind it, history)."""
    config, folder = run.config, run.folder
    if state is not None:
        checkpoints.restore(gan, state)
        sample_files.remove_samples_after(folder.sample_dir, state.epoch)  # they will be drawn again
        print(f"continuing the run in {folder.checkpoint_dir} after epoch {state.epoch}")
        return state.epoch, state.history
    if config.init_from:
        _start_from_others(gan, config, run.image_set)
    if run.drive:
        run.drive.remove_run()  # before the local one: what is newer on the drive would take its place again
    if replaced := folder.files_of_a_run():
        print(folder.describe(replaced))
        folder.remove_run()
    return 0, History()


def _start_from_others(gan, config, image_set):
    initial_weights.load_weights(gan, config.init_from)
    if found := initial_weights.note_of_other_images(config, image_set.label_names):
        note(found)


@surroundings.usual()
def print_plan(config, folder, image_set, state):
    """Prints what `train` would do: settings, images, networks and disk use. Writes nothing."""
    if config.distribute == "mirrored":
        distribution.strategy_of(config)  # which may refuse; that of several hosts would wait for them
    gan = build_gan(config, image_set.images.shape[-1], image_set.class_counts)
    if config.init_from and state is None:
        _start_from_others(gan, config, image_set)  # to see whether they fit
    for name, value in config.to_json().items():
        print(f"{name}: {value}")
    print(f"images: {len(image_set.images)} ({image_set.name}), {' x '.join(map(str, image_set.images.shape[1:]))}")
    print(f"generator parameters: {gan.generator.count_params():,}")
    print(f"critic parameters: {gan.critic.count_params():,}")
    begun = state.epoch if state else 0
    left = f"{begun + 1} to {config.epochs}" if begun < config.epochs else f"none, the run has {begun}"
    print(f"epochs to run: {left}")
    if not state and (replaced := folder.files_of_a_run()):
        print(folder.describe(replaced))
    print(f"disk: about {_disk_bytes(config, gan, image_set) / 1e6:,.0f} MB")


def _check_space(config, folder, gan, image_set, begun):
    """Refuses a run whose state would not fit on the disk; warns where the grids after `begun` epochs might not."""
    folder.make()
    present = sum((folder.checkpoint_dir / name).exists() for name in checkpoints.STATE_FILES)
    free, needed = shutil.disk_usage(folder.checkpoint_dir).free, (3 - present) * _state_bytes(gan)
    if free < needed:
        raise UserError(
            f"{folder.checkpoint_dir} has {free / 1e6:,.0f} MB free, and the weights and states to be written need "
            f"{needed / 1e6:,.0f} MB; make room, or choose another --checkpoint_dir"
        )
    needed = _disk_bytes(config, gan, image_set, begun)
    free = min(free, shutil.disk_usage(folder.sample_dir).free)
    if free < needed:
        room = f"{needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free"
        note(f"the run may need {room}; a larger --sample_every needs less")


def _state_bytes(gan):
    return sum(array.nbytes for array in checkpoints.take_snapshot(gan))


def _disk_bytes(config, gan, image_set, begun=0):
    """An estimate: two states, the weights and the best generator's, history, and grids as large as their pixels."""
    weights = 4 * (gan.count_params() + gan.generator.count_params())
    grid = BYTES_OF_A_PLOT if config.recipe_spec.is_1d else samples.reals_grid(image_set, config.recipe_spec).nbytes
    history_row = 130 + (450 if config.tensorboard else 0)
    count = (config.epochs - begun) // config.sample_every + (60 if config.tensorboard else 0)
    return 2 * _state_bytes(gan) + weights + config.epochs * history_row + count * grid


def _report(signal_number, config, epoch):
    if signal_number is not None and epoch < config.epochs:
        print(f"saved at epoch {epoch}; the same command continues")
        return 128 + signal_number
    print(f"done: {epoch} epochs; weights in {config.checkpoint_dir}, grids in {config.sample_dir}")
    return 0
