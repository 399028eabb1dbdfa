"""The earth mover's distance: plans and costs against linear programming and SciPy, the command, and bad input."""

import importlib.util
import pathlib

import numpy as np
import pytest
from PIL import Image
from scipy import optimize, stats

PATH = pathlib.Path(__file__).resolve().parents[1] / "examples/earth_mover.py"
spec = importlib.util.spec_from_file_location("earth_mover", PATH)
earth_mover = importlib.util.module_from_spec(spec)
spec.loader.exec_module(earth_mover)


def random_piles(seed):
    """Two piles of whole or of any numbers, some columns empty, of the same total."""
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 13))
    if seed % 2:
        blocks = rng.integers(0, columns, (2, int(rng.integers(1, 30))))
        return tuple(np.bincount(places, minlength=columns).astype(np.float64) for places in blocks)
    first, second = rng.random((2, columns)) * (rng.random((2, columns)) < 0.7) + [[0.01], [0.02]]
    return first, second * first.sum() / second.sum()


def programmed_cost(first, second, sign):
    """The least (sign 1) or greatest (sign -1) cost of any plan, by a general solver of linear programs."""
    start, end = np.indices((len(first), len(first))).reshape(2, -1)
    sums = [start == i for i in range(len(first))] + [end == j for j in range(len(first))]
    solved = optimize.linprog(sign * np.abs(start - end), A_eq=np.array(sums, float), b_eq=[*first, *second])
    assert solved.status == 0
    return sign * solved.fun


@pytest.mark.parametrize("seed", range(16))
def test_plans_are_extreme_and_the_critic_reaches_the_cheapest_cost(seed):
    first, second = random_piles(seed)
    for make_plan, sign in ((earth_mover.cheapest_plan, 1), (earth_mover.costliest_plan, -1)):
        plan = make_plan(first, second)
        assert (plan >= 0).all()
        np.testing.assert_allclose(plan.sum(1), first, atol=1e-7)
        np.testing.assert_allclose(plan.sum(0), second, atol=1e-7)
        assert earth_mover.cost(plan) == pytest.approx(programmed_cost(first, second, sign), abs=1e-6)
    cheapest, critic = programmed_cost(first, second, 1), earth_mover.best_critic(first, second)
    assert stats.wasserstein_distance(range(len(first)), range(len(first)), first, second) == pytest.approx(
        cheapest / first.sum(), abs=1e-6
    )
    assert (np.abs(np.diff(critic)) <= 1).all() and critic @ (first - second) == pytest.approx(cheapest, abs=1e-6)


def test_rounding_errors_are_not_moved_and_the_shorter_pile_gets_empty_columns():
    first, second = earth_mover.read_piles("0.5,0.2,0.6", " 0.7,0 ,0.6,0")
    np.testing.assert_array_equal([first, second], [[0.5, 0.2, 0.6, 0], [0.7, 0, 0.6, 0]])
    assert np.count_nonzero(earth_mover.cheapest_plan(first, second)) == 3


def test_the_command_prints_and_draws_both_plans(tmp_path, run_script):
    path = tmp_path / "new/a.png"
    status, out, err = run_script(earth_mover, f"--output={path}")
    assert (status, err) == (0, "") and "A costly plan: cost 28 " in out and "The cheapest plan: cost 8 " in out
    assert out.count("= 0.8\n") == 2 and "distance: 0.8\n" in out and out.endswith(f"wrote {path}\n")
    with Image.open(path) as image:
        assert image.size == (1200, 1140) and len(image.getcolors(1 << 20)) > 30
    _, out, _ = run_script(earth_mover, "--first=1,2,0", "--second=0,0,3", f"--output={path}")
    assert "every plan costs the same" in out


@pytest.mark.parametrize(
    "argument, word",
    [
        ("--first=", "give numbers"),
        ("--first=1,x", "give numbers"),
        ("--first=1,,2", "give numbers"),
        ("--first=-1,11", "-1 blocks"),
        ("--second=nan", "nan"),
        ("--first=1e999", "0 to 100"),
        ("--first=0.125", "two decimals"),
        ("--first=1,2", "holds 3 blocks and --second 10"),
        ("--first=" + ",".join("1" * 13), "13 columns"),
        ("--output=a.pdf", ".png"),
        ("--third=1", "third"),
    ],
)
def test_bad_input_is_refused_in_one_line(refusal, argument, word):
    assert word in refusal(earth_mover, argument)
