"""The earth mover's distance: plans and costs against linear programming and SciPy, the picture, and bad input."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import optimize, stats

import earth_mover
from wgan.apps import earth_mover_picture
from wgan.apps.earth_mover import best_critic, cheapest_plan, compare, cost, costliest_plan, read_piles, table
from wgan.common import cli

SCRIPT = Path(earth_mover.__file__)
FIRST, SECOND = np.array([1.0, 4, 2, 0, 1, 2]), np.array([2.0, 1, 1, 3, 3, 0])


def random_piles(seed):
    """Two piles of whole or of any numbers, some columns empty, of the same total."""
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 13))
    if seed % 2:
        blocks = rng.integers(0, columns, (2, int(rng.integers(1, 30))))
        return tuple(np.bincount(places, minlength=columns).astype(np.float64) for places in blocks)
    first, second = rng.random((2, columns)) * (rng.random((2, columns)) < 0.7) + [[0.01], [0.02]]
    return first, second * first.sum() / second.sum()


ALL_PILES = pytest.mark.parametrize("first, second", [random_piles(seed) for seed in range(16)] + [(FIRST, SECOND)])


def programmed_cost(first, second, sign):
    """The least (sign 1) or greatest (sign -1) cost of any plan, by a general solver of linear programs."""
    columns = len(first)
    way = np.array([(i, j) for i in range(columns) for j in range(columns)])
    lengths = np.abs(way[:, 0] - way[:, 1])
    sums = [way[:, 0] == i for i in range(columns)] + [way[:, 1] == j for j in range(columns)]
    solved = optimize.linprog(sign * lengths, A_eq=np.array(sums, float), b_eq=[*first, *second], bounds=(0, None))
    assert solved.status == 0
    return sign * solved.fun


def run_main(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.run(earth_mover.main, ["earth_mover.py", *map(str, arguments)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


# --- plans and costs ---

@ALL_PILES
@pytest.mark.parametrize("make_plan", [cheapest_plan, costliest_plan])
def test_a_plan_moves_the_first_pile_into_the_second(make_plan, first, second):
    plan = make_plan(first, second)
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(1), first, atol=1e-7)
    np.testing.assert_allclose(plan.sum(0), second, atol=1e-7)


@ALL_PILES
def test_no_plan_is_cheaper_than_the_cheapest_or_costs_more_than_the_costliest(first, second):
    assert cost(cheapest_plan(first, second)) == pytest.approx(programmed_cost(first, second, 1), abs=1e-6)
    assert cost(costliest_plan(first, second)) == pytest.approx(programmed_cost(first, second, -1), abs=1e-6)


@ALL_PILES
def test_cheapest_cost_per_block_is_the_wasserstein_distance(first, second):
    places = range(len(first))
    expected = stats.wasserstein_distance(places, places, first, second)
    report = compare(first, second)
    assert report.distance == pytest.approx(expected, abs=1e-7)
    assert report.scipy_distance == pytest.approx(expected, abs=1e-12)


@ALL_PILES
def test_the_critic_is_lipschitz_and_reaches_the_cheapest_cost(first, second):
    critic = best_critic(first, second)
    assert (np.abs(np.diff(critic)) <= 1).all() and critic.min() == 0
    cheapest = cost(cheapest_plan(first, second))
    assert critic @ (first - second) == pytest.approx(cheapest, abs=1e-6)
    assert np.abs(np.cumsum(first - second)).sum() == pytest.approx(cheapest, abs=1e-6)


def test_a_case_worked_out_by_hand():
    first, second = np.array([2.0, 0, 1]), np.array([0.0, 2, 1])
    np.testing.assert_array_equal(cheapest_plan(first, second), [[0, 2, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(costliest_plan(first, second), [[0, 1, 1], [0, 0, 0], [0, 1, 0]])
    assert cost(cheapest_plan(first, second)) == 2 and cost(costliest_plan(first, second)) == 4
    np.testing.assert_array_equal(best_critic(first, second), [1, 0, 0])


def test_the_example_has_a_plan_that_is_clearly_worse():
    settings = earth_mover.define_flags().parse(["earth_mover.py"])
    report = compare(*read_piles(settings["first"], settings["second"]))
    assert cost(report.costly) > 3 * cost(report.cheap) > 0 and not report.all_cost_the_same


def test_where_every_block_goes_to_the_right_every_plan_costs_the_same():
    report = compare(np.array([1.0, 2, 0, 0]), np.array([0.0, 0, 2, 1]))
    assert report.all_cost_the_same and "every plan costs the same" in table(report)


def test_rounding_errors_are_not_moved():
    first, second = read_piles("0.5,0.2,0.6", "0.7,0,0.6")
    assert np.count_nonzero(cheapest_plan(first, second)) == 3


def test_the_shorter_pile_gets_empty_columns():
    first, second = read_piles("1,2", " 0, 0 ,3,0")
    np.testing.assert_array_equal([first, second], [[1, 2, 0, 0], [0, 0, 3, 0]])


# --- the table and the picture ---

def test_the_table_shows_plans_with_their_sums_and_costs():
    lines = table(compare(FIRST, SECOND)).splitlines()
    headings = [place for place, line in enumerate(lines) if "plan" in line]
    for heading, price in zip(headings, (28, 8), strict=True):
        assert f"cost {price} " in lines[heading]
        rows = [line.replace(".", "0").split()[1:] for line in lines[heading + 2:heading + 9]]
        shown = np.array(rows, dtype=int)
        np.testing.assert_array_equal(shown[:-1, -1], FIRST)
        np.testing.assert_array_equal(shown[-1, :-1], SECOND)
        np.testing.assert_array_equal(shown[:-1, :-1].sum(1), FIRST)
        assert shown[-1, -1] == 10
    assert sum(bool(re.search(r"[=:] 0\.8$", line)) for line in lines) == 3


@pytest.mark.parametrize("first, second", [
    (FIRST, SECOND), (np.array([0.0, 1, 2, 1, 3, 1, 2, 2, 1]), np.array([2.0, 2, 2, 2, 2, 2, 1, 0, 0]))])
def test_the_picture_shows_every_amount_and_no_labels_over_each_other(tmp_path, monkeypatch, first, second):
    figures = []
    monkeypatch.setattr(earth_mover_picture, "_save",
                        lambda figure, path: (figures.append(figure), path.write_bytes(b"picture")))
    report = compare(first, second)
    earth_mover_picture.draw(report, tmp_path / "a.png")
    figure, = figures
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        over = [(a, b) for a in range(len(boxes)) for b in range(a) if boxes[a].overlaps(boxes[b])]
        assert over == [], [[axes.texts[place].get_text() for place in pair] for pair in over]
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    for plan, axes in zip((report.costly, report.cheap), figure.axes[::2]):
        carried = [int(text.get_text()) for text in axes.texts if text.get_weight() == "bold"]
        assert sorted(carried) == sorted(plan[plan > 0])
        assert f"cost {cost(plan):g}\n" in axes.get_title()


def test_the_largest_piles_are_drawn_into_a_folder_that_is_made(tmp_path, capsys):
    path = tmp_path / "new/a.png"
    status, out, err = run_main(capsys, "--first=" + "100," * 11 + "99.99", "--second=99.99" + ",100" * 11,
                                f"--output={path}")
    assert (status, err) == (0, "")
    with Image.open(path) as picture:
        picture.load()
        assert picture.size == (1200, 1140)


def test_a_picture_that_fails_leaves_the_old_one_and_nothing_else(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    save = Image.Image.save

    def fail(picture, target, **options):
        if not isinstance(target, Path):  # matplotlib's, into memory
            return save(picture, target, **options)
        target.write_bytes(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    status, out, err = run_main(capsys, "--first=3", "--second=3", f"--output={path}")  # a single column
    assert status == 2 and out == "" and err == "earth_mover.py: [Errno 28] No space left on device\n"
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# --- flags ---

@pytest.mark.parametrize("arguments, word", [
    (["--first="], "--first is empty"), (["--second=  "], "--second is empty"), (["--first=1,x"], "'x'"),
    (["--first=1,,2"], "''"), (["--first=-1,11"], "-1 blocks"), (["--second=nan"], "nan"), (["--first=inf"], "inf"),
    (["--first=101"], "0 to 100"), (["--first=1e999999999"], "0 to 100"), (["--first=0.125"], "two decimals"),
    (["--first=1,2"], "holds 3 blocks and --second 10"), (["--first=0,0", "--second=0"], "nothing to move"),
    (["--first=" + ",".join("1" * 13)], "13 columns"), (["--output=a.pdf"], ".png"), (["--output="], ".png"),
    (["--output=folder.png"], "it is a folder"), (["--third=1"], "third"), (["1,2"], "belongs to no flag")])
def test_bad_input_is_refused_in_one_line(tmp_path, capsys, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    status, out, err = run_main(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1 and err.startswith("earth_mover.py: ") and word in err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_the_script_writes_its_picture_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('imported')\n")
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{SCRIPT.parent}"})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("wrote earth_mover.png\n")
    with Image.open(tmp_path / "earth_mover.png") as picture:
        picture.load()
        assert picture.format == "PNG" and len(picture.getcolors(1 << 20)) > 30
