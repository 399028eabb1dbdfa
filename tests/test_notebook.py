"""The notebook, run from its first cell to its last as a user runs it, on the embedded digits."""

import ast
import json
import pathlib
import re
import shutil
from importlib.util import find_spec

import pytest

from wgan.apps import evaluate, export_gif, export_model, generate, train
from wgan.runs import sample_files

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks/wgan_gp_colab.ipynb"
SCRIPTS = {
    f"{script.__name__.removeprefix('wgan.apps.')}.py": script
    for script in (train, evaluate, export_gif, export_model, generate)
}
TINY = (
    "--dataset digits --label 3 --batch_size 4 --critic_steps 2 --latent_dim 8 --precision float32 "
    "--eval_every 0 --sample_every 1 --epochs "
)
MAX_OUTPUT = 4_000_000  # bytes of an executed notebook; most of them a film of noise, which no GIF makes small


def cells(kind):
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def flags_of(name):
    return set(re.findall(r"^  --(\w+)", SCRIPTS[name].define_flags().help_text(), re.MULTILINE))


def commands():
    """The f-strings in the code, adjacent ones joined, with X for what is put into them."""
    for cell in cells("code"):
        source = re.sub(r"^( *)!.*", r"\1pass", "".join(cell["source"]), flags=re.MULTILINE)  # the shell's lines
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)


def test_the_notebook_is_stored_without_outputs():
    assert [cell["id"] for cell in cells("code") if cell["outputs"] or cell["execution_count"]] == []


def test_all_flags_in_the_notebook_are_those_of_the_scripts():
    called = set()
    for command in commands():
        if "--" in command and not command.startswith("-m pip"):
            words = command.split()
            name = words[0] if words[0].endswith(".py") else "train.py"  # a part of the training's command
            assert set(re.findall(r"--(\w+)", command)) <= flags_of(name), command
            called.add(name)
    assert called == set(SCRIPTS)
    told = "".join("".join(cell["source"]) for cell in (*cells("markdown"), cells("code")[0]))
    assert set(re.findall(r"--(\w+)", told)) <= flags_of("train.py")


def test_the_repository_is_the_same_wherever_it_is_named():
    """Whoever publishes a copy changes it here, in the badge and in the notebook."""
    [address] = re.findall(r"^url = (.*)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    badge = f"https://colab.research.google.com/{address.removeprefix('https://').replace('github.com', 'github')}"
    assert f"({badge}/blob/main/{NOTEBOOK.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text("utf-8")
    assert any(f'REPOSITORY = "{address}"' in "".join(cell["source"]) for cell in cells("code"))


def execute(path):
    """Runs all cells in a kernel of its own; the notebook with its outputs."""
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    nbformat.write(notebook, path)
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def starts(drive):
    return [start["epoch"] for start in json.loads((drive / "checkpoints/config.json").read_text())["starts"]]


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """A folder that stands in for the Drive; its name has a space, as Google's once had."""
    missing = [name for name in ("nbclient", "ipykernel", "onnxruntime", "tf2onnx") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.setenv("WGAN_DRIVE", str(tmp_path / "My Drive"))
    monkeypatch.setenv("WGAN_NOTEBOOK_SAMPLES", "32")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path / "My Drive"


@pytest.mark.slow
def test_the_notebook_runs_and_run_again_goes_on(tmp_path, drive, monkeypatch):
    for epochs, begun in ((3, [0]), (5, [0, 3])):
        monkeypatch.setenv("WGAN_NOTEBOOK_ARGS", TINY + str(epochs))
        outputs = execute(tmp_path / "executed.ipynb")

        assert starts(drive) == begun
        assert [epoch for epoch, _ in sample_files.list_samples(drive / "samples")] == list(range(1, epochs + 1))
        shutil.rmtree(drive.with_name("My Drive-working"))  # the next machine has the Drive alone
        [view] = outputs["train"]  # renewed in place
        for words in (f"samples, epoch {epochs}<", f"done: {epochs} epochs"):
            assert words in view.data["text/html"]
        assert not [output for shown in outputs.values() for output in shown if output.output_type == "error"]
        for cell in ("film", "samples", "walk", "evaluate"):
            assert outputs[cell][-1].data["text/html"].startswith("<img")
        assert "| samples " in outputs["evaluate"][0].data["text/markdown"]
        assert "image/png" in outputs["load"][-1].data
        assert (tmp_path / "executed.ipynb").stat().st_size < MAX_OUTPUT
    for name in (
        "training.gif",
        "samples.png",
        "walk.gif",
        "generator.onnx",
        "evaluation.json",
        "nearest.png",
        "checkpoints/history.csv",
        "checkpoints/history.png",
        "checkpoints/generator_ema.weights.h5",
    ):
        assert (drive / name).stat().st_size > 0
