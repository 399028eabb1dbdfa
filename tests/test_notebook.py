"""The notebook, run from its first cell to its last as a user runs it, with its code from a zip file on a Drive."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest
import short_runs
from short_runs import ROOT

from wgan.apps import evaluate, export_gif, export_model, generate, train
from wgan.runs import sample_files

NOTEBOOK = ROOT / "notebooks/wgan_gp_colab.ipynb"
SCRIPTS = {
    f"{script.__name__.removeprefix('wgan.apps.')}.py": script
    for script in (train, evaluate, export_gif, export_model, generate)
}
PART = "wgan/apps/notebook.py"  # by which the notebook knows the project
TEXT = {".cff", ".cfg", ".ipynb", ".jinja", ".json", ".md", ".py", ".toml"}
MAX_OUTPUT = 4_000_000  # bytes of an executed notebook; most of them an animation of noise, which no GIF makes small


def cells(kind):
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def source_of(name):
    """The text of the cell with this id."""
    [found] = ["".join(cell["source"]) for cell in (*cells("markdown"), *cells("code")) if cell["id"] == name]
    return found


def flags_of(name):
    return set(re.findall(r"^  --(\w+)", SCRIPTS[name].define_flags().help_text(), re.MULTILINE))


def commands():
    """The f-strings in the code, adjacent ones joined, with X for what is put into them."""
    for cell in cells("code"):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)


def test_the_notebook_is_stored_without_outputs():
    assert [cell["id"] for cell in cells("code") if cell["outputs"] or cell["execution_count"]] == []


def test_all_flags_in_the_notebook_are_those_of_the_scripts():
    called = set()
    for command in commands():
        if "--" in command:
            words = command.split()
            name = words[0] if words[0].endswith(".py") else "train.py"  # a part of the training's command
            assert set(re.findall(r"--(\w+)", command)) <= flags_of(name), command
            called.add(name)
    assert called == set(SCRIPTS)
    told = "".join("".join(cell["source"]) for cell in (*cells("markdown"), cells("code")[0]))
    assert set(re.findall(r"--(\w+)", re.sub("`git .*?`", "", told))) <= flags_of("train.py")


def test_no_address_of_the_project_is_a_placeholder():
    """Whoever publishes a copy writes its address into the notebook's CODE; wherever else it stands, it is the same."""
    [code] = re.findall(r'^CODE = "(.*?)"', source_of("settings"), re.MULTILINE)
    folders = [ROOT / name for name in ("benchmarks", "docs", "examples", "notebooks", "pretrained", "tests", "tools")]
    files = [*ROOT.glob("*"), *(path for folder in (*folders, ROOT / "wgan") for path in folder.rglob("*"))]
    text = "".join(path.read_text("utf-8") for path in files if path.suffix in TEXT)
    assert "OWN" + "ER/" not in text
    addresses = re.findall(r"https?://[^\s)\"'>]*wgan[^\s)\"'>]*", text)
    assert [found for found in addresses if not code or code.removeprefix("https://github.com/") not in found] == []


def find_code(folder, my_drive, code=""):
    """Runs the cells that find the code, in a notebook that lies in `folder`; their output, or their error."""
    settings = re.sub('^CODE = ""', f"CODE = {code!r}", source_of("settings"), flags=re.MULTILINE)
    cells_run = "\n".join([settings, source_of("drive"), source_of("code")])
    environment = {**os.environ, "WGAN_DRIVE": str(my_drive), "TMPDIR": str(my_drive.parent)}
    done = subprocess.run(
        [sys.executable, "-c", cells_run], cwd=folder, capture_output=True, text=True, env=environment
    )
    return (done.stdout if done.returncode == 0 else done.stderr).splitlines()[-1]


@pytest.fixture
def my_drive(tmp_path):
    """A folder that stands in for My Drive; its name has a space, as Google's once had."""
    (tmp_path / "My Drive").mkdir()
    return tmp_path / "My Drive"


def write_project(folder):
    (folder / "wgan/apps").mkdir(parents=True)
    (folder / PART).touch()
    return folder


def write_zip(path, name=PART):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "")
    return path


def test_the_code_is_taken_from_the_first_place_that_has_it(tmp_path, my_drive):
    (my_drive / "photographs.zip").touch()
    folder = write_project(my_drive / "some copy")
    assert find_code(tmp_path, my_drive).startswith(f"The code is that of {folder}, copied to ")
    older = write_zip(my_drive / "wgan.zip")
    os.utime(older, (1, 1))
    assert find_code(tmp_path, my_drive).startswith(f"The code is that of {older}, copied to ")
    newer = write_zip(my_drive / "wgan-main (1).zip", f"wgan-main/{PART}")  # as code hosts pack it
    assert find_code(tmp_path, my_drive).startswith(f"The code is that of {newer}, copied to ")
    around = write_project(tmp_path / "project")
    (around / "notebooks").mkdir()
    assert find_code(around / "notebooks", my_drive) == f"The code is that of {around}"
    for named in ("some copy", "wgan.zip"):
        found = find_code(around / "notebooks", my_drive, named)
        assert found.startswith(f"The code is that of {my_drive / named}, copied to ")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_code_is_cloned_from_an_address(tmp_path, my_drive):
    address = write_project(tmp_path / "published").as_uri()
    for words in (["init"], ["add", "."], ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-m", "First"]):
        subprocess.run(["git", "-C", str(tmp_path / "published"), *words], check=True, capture_output=True)
    assert find_code(tmp_path, my_drive, address).startswith(f"The code is that of {address}, copied to ")
    refused = find_code(tmp_path, my_drive, address + "x")
    assert refused.startswith(f"Stop: The code cannot be read from {address}x: fatal: ")


def test_where_no_code_is_found_one_line_says_what_was_looked_for(tmp_path, my_drive):
    told = find_code(tmp_path, my_drive)
    assert told.startswith(
        f"Stop: There is no code: no {PART} in {tmp_path} or above it, no zip file {my_drive}/wgan*.zip"
    )
    path = my_drive / "wgan.zip"
    path.write_bytes(b"half an upload")
    assert find_code(tmp_path, my_drive) == f"Stop: The code cannot be read from {path}: File is not a zip file"
    write_zip(path, "grid.png")
    assert find_code(tmp_path, my_drive) == f"Stop: {path} does not hold the project: there is no {PART} in it"
    assert find_code(tmp_path, my_drive, "no.zip").endswith(f"No such file or directory: '{my_drive}/no.zip'")


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="needs a clone of the project")
def test_the_command_in_the_notebook_makes_a_zip_file_of_all_it_needs(tmp_path, my_drive):
    [command] = re.findall(r"`(git archive .*?)`", source_of("code-text"))
    assert all(command in (ROOT / page).read_text("utf-8") for page in ("README.md", "docs/colab.md"))
    output = my_drive / "wgan.zip"
    subprocess.run(command.replace("wgan.zip", f"'{output}'"), cwd=ROOT, check=True, shell=True)
    assert find_code(tmp_path, my_drive).startswith(f"The code is that of {output}, copied to ")
    shipped = {f"pretrained/{name}/generator_ema.weights.h5" for name in ("horses", "ships")}
    weights = {*shipped, "wgan/evaluation/feature_network.weights.h5"}
    assert {"setup.cfg", "pyproject.toml", *SCRIPTS, *weights} <= set(zipfile.ZipFile(output).namelist())


@pytest.fixture
def run_cells(tmp_path, my_drive, monkeypatch):
    """Runs the cells up to `last` on a new machine, with the working tree as a zip file on the Drive; their outputs."""
    missing = [name for name in ("nbclient", "ipykernel", "onnxruntime", "tf2onnx") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    import nbclient
    import nbformat

    left_out = shutil.ignore_patterns(".*", "__pycache__", "checkpoints", "samples", "docs", "tests")
    shutil.copytree(ROOT, tmp_path / "zipped/wgan-main", ignore=left_out)
    shutil.make_archive(str(my_drive / "wgan-main"), "zip", tmp_path / "zipped")
    monkeypatch.setenv("WGAN_DRIVE", str(my_drive))
    monkeypatch.setenv("WGAN_NOTEBOOK_EVALUATION", "--samples 32")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def run(epochs, last):
        flags = short_runs.flags({**short_runs.SHORT, "sample_every": 1, "epochs": epochs})
        monkeypatch.setenv("WGAN_NOTEBOOK_ARGS", " ".join(flags))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        notebook.cells = notebook.cells[: 1 + [cell.id for cell in notebook.cells].index(last)]
        machine = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=machine).execute()
        nbformat.write(notebook, tmp_path / "executed.ipynb")
        shutil.rmtree(my_drive / "wgan-working")  # the next machine has the Drive alone
        return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}

    return run


def test_the_notebook_runs_with_the_code_from_a_zip_file_on_the_drive(tmp_path, my_drive, run_cells):
    outputs = run_cells(3, last="load")
    assert f"{my_drive / 'wgan-main.zip'}, copied to {tmp_path / 'wgan-code-'}" in outputs["code"][0].text
    [view] = outputs["train"]  # renewed in place
    assert "samples, epoch 3<" in view.data["text/html"] and "done: 3 epochs" in view.data["text/html"]
    assert not [output for shown in outputs.values() for output in shown if output.output_type == "error"]
    for cell in ("animation", "samples", "walk", "evaluate"):
        assert outputs[cell][-1].data["text/html"].startswith("<img")
    assert "| samples " in outputs["evaluate"][0].data["text/markdown"]
    assert "image/png" in outputs["load"][-1].data
    assert (tmp_path / "executed.ipynb").stat().st_size < MAX_OUTPUT
    made = "training.gif samples.png walk.gif generator.onnx evaluation.json nearest.png checkpoints/history.csv "
    made += "checkpoints/history.png checkpoints/generator_ema.weights.h5"
    for name in made.split():
        assert (my_drive / "wgan" / name).stat().st_size > 0


@pytest.mark.slow
def test_run_again_on_a_new_machine_the_notebook_goes_on(my_drive, run_cells):
    run = my_drive / "wgan"
    for epochs, begun in ((3, [0]), (5, [0, 3])):
        run_cells(epochs, last="train")
        assert [
            start["epoch"] for start in json.loads((run / "checkpoints/config.json").read_text())["starts"]
        ] == begun
        assert [epoch for epoch, _ in sample_files.list_samples(run / "samples")] == list(range(1, epochs + 1))
