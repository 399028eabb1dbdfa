import keras
import numpy as np
import pytest
import tensorflow as tf

from wgan.models import constraints, losses
from wgan.models.constraints import GradientPenalty, NoConstraint, ZeroCentredPenalty, critic_gradients
from wgan.models.gan import GAN
from wgan.models.losses import LOSSES
from wgan.models.networks import Critic, Generator

REAL, FAKE = np.random.default_rng(0).normal(scale=3, size=[2, 50])
P_REAL, P_FAKE = 1 / (1 + np.exp(-REAL)), 1 / (1 + np.exp(-FAKE))
CROSS_ENTROPY = -np.mean(np.log(P_REAL)) - np.mean(np.log(1 - P_FAKE))


@pytest.mark.parametrize(
    "name, critic_loss, generator_loss",
    [
        ("wasserstein", FAKE.mean() - REAL.mean(), -FAKE.mean()),
        ("reversed_wasserstein_sum", REAL.sum() - FAKE.sum(), FAKE.sum()),  # real images are scored down
        ("cross_entropy", CROSS_ENTROPY, -np.mean(np.log(P_FAKE))),
        ("cross_entropy_mean", CROSS_ENTROPY / 2, -np.mean(np.log(P_FAKE))),
        ("least_squares", np.mean((P_REAL - 1) ** 2 + P_FAKE**2) / 2, np.mean((P_FAKE - 1) ** 2)),
        ("hinge", np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
        ("relativistic", np.log1p(np.exp(FAKE - REAL)).mean(), np.log1p(np.exp(REAL - FAKE)).mean()),
    ],
)
def test_losses_are_the_formulas(name, critic_loss, generator_loss):
    real_logits, fake_logits = tf.constant(REAL), tf.constant(FAKE)
    assert float(LOSSES[name].critic_loss(real_logits, fake_logits)) == pytest.approx(critic_loss, rel=1e-12)
    found = generator_loss_of(LOSSES[name], real_logits, fake_logits)
    assert float(found) == pytest.approx(generator_loss, rel=1e-12)


def generator_loss_of(objective, real_logits, fake_logits):
    return objective.generator_loss(fake_logits, *([real_logits] if objective.is_relativistic else []))


@pytest.mark.parametrize("name, sign", [("wasserstein", 1), ("reversed_wasserstein_sum", -1)])
def test_the_estimate_is_positive_once_the_critic_can_tell(name, sign):
    estimate = LOSSES[name].figures(tf.constant(REAL), tf.constant(FAKE))["wasserstein_estimate"]
    assert float(estimate) == pytest.approx(sign * (REAL.mean() - FAKE.mean()), rel=1e-12)


def test_one_sided_penalty_lets_small_slopes_be():
    norms = tf.constant([0.0, 0.5, 1.0, 3.0])
    assert float(constraints.gradient_penalty(norms, one_sided=True)) == 1.0
    assert float(constraints.gradient_penalty(norms)) == (1 + 0.25 + 4) / 4


def test_zero_gradient_has_a_finite_penalty_and_a_finite_slope():
    gradients = tf.Variable(tf.zeros([2, 4, 4, 3]))
    with tf.GradientTape() as tape:
        penalty = constraints.gradient_penalty(constraints.gradient_norms(gradients))
    assert float(penalty) == 1.0
    np.testing.assert_array_equal(tape.gradient(penalty, gradients).numpy(), 0)


def _gan_and_batch(seed=0, *parts):
    """A double-precision GAN with a batch of two, away from its initial point."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    gan = GAN(Generator(latent_dim=4), Critic(), *parts)
    reals, fakes = rng.uniform(-1, 1, [2, 2, 32, 32, 3])
    epsilon = rng.uniform(size=[2, 1, 1, 1])
    gan.critic(reals)
    for variable in gan.critic.trainable_variables:  # biases too
        variable.assign_add(rng.normal(scale=0.02, size=variable.shape))
    return gan, rng, (tf.constant(reals), tf.constant(fakes), tf.constant(epsilon))


def test_critic_gradients_match_finite_differences(float64):
    gan, rng, (reals, _, _) = _gan_and_batch()
    gradients = critic_gradients(gan.critic, reals).numpy()
    assert gradients.dtype == np.float64
    for image in range(2):
        direction = np.zeros(reals.shape)
        direction[image] = rng.normal(size=reals.shape[1:])
        ahead, behind = gan.critic(reals + 1e-6 * direction), gan.critic(reals - 1e-6 * direction)
        slopes = (ahead - behind).numpy() / 2e-6
        np.testing.assert_allclose(slopes[image], np.sum(gradients * direction), rtol=1e-5)
        assert slopes[1 - image] == 0  # a logit depends on its own image alone


@pytest.mark.parametrize(
    "loss, constraint",
    [
        ("wasserstein", GradientPenalty()),
        ("hinge", NoConstraint()),
        ("cross_entropy", ZeroCentredPenalty(10.0, on_samples=False)),
        ("relativistic", ZeroCentredPenalty(10.0, on_samples=True)),
    ],
)
def test_critic_loss_and_its_gradients_match_finite_differences(float64, loss, constraint):
    """The penalty jumps where an activation changes its sign, so the steps are as short as rounding allows."""
    gan, rng, batch = _gan_and_batch(1, LOSSES[loss], constraint)
    variables = gan.critic.trainable_variables
    loss = lambda: gan.critic_loss(*batch, dropout_seed=None)[0]
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, variables)
    for variable, gradient in zip(variables, gradients):
        direction = tf.constant(rng.normal(size=variable.shape))
        step = 1e-8 / np.sqrt(np.prod(variable.shape))
        variable.assign_add(step * direction)
        ahead = float(loss())
        variable.assign_sub(2 * step * direction)
        behind = float(loss())
        variable.assign_add(step * direction)
        slope, expected = (ahead - behind) / (2 * step), float(tf.reduce_sum(gradient * direction))
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=2e-4, err_msg=variable.path)


def test_critic_loss_is_the_formula_of_the_paper(float64):
    gan, _, (reals, fakes, epsilon) = _gan_and_batch(seed=2)
    loss, logs = gan.critic_loss(reals, fakes, epsilon, dropout_seed=None)
    points = epsilon * reals + (1 - epsilon) * fakes
    penalties = (slopes_one_by_one(gan.critic, points) - 1) ** 2
    expected = np.mean(gan.critic(fakes) - gan.critic(reals)) + 10 * np.mean(penalties)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-10)
    np.testing.assert_allclose(
        float(logs["wasserstein_estimate"]), np.mean(gan.critic(reals)) - np.mean(gan.critic(fakes)), rtol=1e-10
    )


def slopes_one_by_one(critic, images):
    """The naive form of `critic_gradients`, and their norms."""
    slopes = []
    for image in images:
        with tf.GradientTape() as tape:
            tape.watch(image)
            logit = critic(image[None])[0]
        slopes.append(np.linalg.norm(tape.gradient(logit, image).numpy()))
    return np.array(slopes)


@pytest.mark.parametrize("on_samples", [False, True], ids=["R1", "R1 + R2"])
def test_zero_centred_penalty_is_the_formula_of_the_paper(float64, on_samples):
    gan, _, (reals, fakes, _) = _gan_and_batch(seed=2)
    term, figures = ZeroCentredPenalty(0.3, on_samples).term(gan.critic, reals, fakes, None)
    slopes = [slopes_one_by_one(gan.critic, images) for images in ([reals, fakes] if on_samples else [reals])]
    expected = sum(np.mean(each**2) for each in slopes)
    np.testing.assert_allclose(float(term), 0.3 / 2 * expected, rtol=1e-10)
    np.testing.assert_allclose(float(figures["gradient_penalty"]), expected, rtol=1e-10)
    np.testing.assert_allclose(float(figures["gradient_norm"]), np.mean(slopes), rtol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_repeat_to_the_bit(name):
    """TensorFlow adds three or more parts of a gradient (AddN) in an order that depends on which thread is first."""
    objective = LOSSES[name]

    @tf.function
    def gradients(real_logits, fake_logits):
        critic_loss = objective.critic_loss(real_logits, fake_logits)
        generator_loss = generator_loss_of(objective, real_logits, fake_logits)
        return tf.gradients(critic_loss, [real_logits, fake_logits]), tf.gradients(generator_loss, [fake_logits])

    graph = gradients.get_concrete_function(*[tf.TensorSpec([4])] * 2).graph
    assert [len(op.inputs) for op in graph.get_operations() if op.type == "AddN" and len(op.inputs) > 2] == []


def test_cross_entropy_is_minus_the_mean_logarithm_of_the_probability():
    logits = np.array([-30.0, -2.0, 0.0, 0.5, 40.0])
    probabilities = 1 / (1 + np.exp(-logits))
    with np.errstate(divide="ignore"):
        expected = {1.0: -np.log(probabilities).mean(), 0.0: np.log1p(np.exp(logits)).mean()}
    for target, value in expected.items():
        np.testing.assert_allclose(float(losses.cross_entropy_with(tf.constant(logits), target)), value, rtol=1e-12)
