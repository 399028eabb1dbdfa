"""HDF5 files of weights from anywhere: what must hold before a network reads them. Needs no TensorFlow."""

import math
import pathlib
import tempfile

import h5py

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.runs import files

# With what h5py and Keras answer files that are damaged or meant for another network.
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError,
              MemoryError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01"  # begins a collection of texts that attributes refer to
_MOST_ATTRIBUTE_BYTES = 2**20


def check_readable(path):
    """Refuses a file that is damaged, or that would lead elsewhere or unpack to far more than its size.

    Files of this project end in a checksum; those of others are believed as far as HDF5 believes them.

    Args:
        path: a `pathlib.Path` to a file that is there.

    Raises:
        UserError: the file cannot be used.
    """
    sealed = files.is_sealed(path)
    try:
        if sealed is False:
            raise ValueError("its bytes do not match their checksum")
        _check_heaps(path.read_bytes())
        with h5py.File(path, "r") as file:
            if sealed is None and "epoch" in file.attrs:  # which only this project's files have
                raise ValueError("its checksum is cut off")
            _check_group("/", file)
            file.visititems(lambda name, item: _check_item(name, item, path.stat().st_size))
    except UNREADABLE as error:
        raise UserError(f"{path} is no HDF5 weights file, or is damaged ({one_line(error, longest=120)})") from error


def _check_heaps(content):
    """A text that takes no room makes the library (1.14) look for the next one for ever."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("it does not begin like one")
    if (content[13:15] if content[8] < 2 else content[9:11]) != b"\x08\x08":
        raise ValueError("its addresses are of an unusual size")
    start = content.find(_HEAP)
    while start >= 0:
        place, end = start + 16, start + int.from_bytes(content[start + 8:start + 16], "little")
        while place + 16 <= end:
            number = int.from_bytes(content[place:place + 2], "little")
            length = int.from_bytes(content[place + 8:place + 16], "little")
            step = 16 + -(-length // 8) * 8 if number else length
            if not 16 <= step <= end - place:
                raise ValueError("its texts are damaged")
            place += step
        start = content.find(_HEAP, start + 1)


def _check_item(name, item, file_size):
    if isinstance(item, h5py.Group):
        _check_group(name, item)
    elif isinstance(item, h5py.Dataset):
        _check_attributes(name, item)
        _check_dataset(name, item, file_size)
    else:
        raise ValueError(f"{name} is neither a group nor numbers")


def _check_group(name, group):
    """No name may stand for something outside of the file, or for another name."""
    _check_attributes(name, group)
    for inner in group:
        if not isinstance(group.get(inner, getlink=True), h5py.HardLink):
            raise ValueError(f"{inner} is a link")


def _check_dataset(name, dataset, file_size):
    layout = dataset.id.get_create_plist().get_layout()
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or dataset.external:
        raise ValueError(f"{name} is packed, or lies outside of the file")
    if dataset.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds no real numbers")
    if dataset.nbytes > file_size:
        raise ValueError(f"{name} would take {dataset.nbytes:,} bytes")


def _check_attributes(name, item):
    for index in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=index)
        if math.prod(attribute.shape) * attribute.get_type().get_size() > _MOST_ATTRIBUTE_BYTES:
            raise ValueError(f"{name} has an attribute of more than a mebibyte")


def check_fits(path, network, owner):
    """Refuses weights of another architecture, and says both sides of the first difference.

    Keras says which of its layers got nothing, but not what the file holds instead; and it passes over what a
    file holds beyond the network, so that a critic for larger images would be taken for a smaller one.

    Args:
        path: a file for which `check_readable` holds, in the layout of Keras 3 (a group for each layer, named by
            its attribute) or of Keras 2 (the attribute `layer_names`, layers by their order).
        network: a Keras model that has its variables.
        owner: whose shapes the network's are, for the message: "this run's generator".

    Raises:
        ValueError: with the difference. Where the file is laid out in neither way, nothing is raised: then
            Keras has the say.
    """
    try:
        with h5py.File(path, "r") as file:
            in_order = "layer_names" in file.attrs
            held = _layers_in_order(file) if in_order else _tree(file)
        needed = _layers_of(network) if in_order else _tree_of(network)
    except UNREADABLE:
        return
    if in_order and len(held) != len(needed):
        raise ValueError(f"it has {len(held)} arrays of weights, and {owner} has {len(needed)} (another "
                         "--image_size?)")
    different = [key for key in {**needed, **held} if _is_different(held.get(key), needed.get(key))]
    if different:
        first = min(different, key=lambda key: _rank_of_difference(key, held.get(key) or needed[key]))
        raise ValueError(_both_sides(first, held, needed, owner))


def _tree(file):
    """{path: (its name for people, shape)} of a file that Keras 3 wrote, without a single model's optimizer."""
    found = {}

    def collect(path, item):
        if isinstance(item, h5py.Dataset) and "/vars/" in path and not path.startswith("optimizer/"):
            name = path.replace("/vars/0", "/kernel") if len(item.shape) > 1 else path
            found[path] = (name, item.shape)
    file.visititems(collect)
    return found


def _tree_of(network):
    """The same of a network; only Keras itself knows how it names the groups."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "network.weights.h5")
        network.save_weights(path)
        with h5py.File(path, "r") as file:
            return _tree(file)


def _layers_in_order(file):
    """{number: (name, shape)} of a file that Keras 2 wrote."""
    names = [(layer, weight) for layer in _texts(file, "layer_names") for weight in _texts(file[layer], "weight_names")]
    return dict(enumerate((weight.removesuffix(":0"), file[layer][weight].shape) for layer, weight in names))


def _texts(item, attribute):
    return [text.decode() if isinstance(text, bytes) else str(text) for text in item.attrs[attribute]]


def _layers_of(network):
    weights = [(f"{layer.name}/{weight.name}", tuple(weight.shape)) for layer in network.layers
               for weight in layer.weights]
    return dict(enumerate(weights))


def _is_different(there, wanted):
    """What has a place in the file alone counts where it is a layer's kernel: Keras 3 stores counters besides."""
    if wanted is None:
        return len(there[1]) > 1
    return there is None or there[1] != wanted[1]


def _rank_of_difference(key, held):
    """Networks first, optimizers after them; kernels before what follows from their shapes."""
    return "optimizer" in str(key), len(held[1]) < 2


def _both_sides(key, held, needed, owner):
    if "further_convs/" in str(key):  # one for each doubling beyond 32 pixels a side
        one, other = (32 * 2**_count_like(key, layout) for layout in (held, needed))
        return f"its images are of {one} x {one} pixels, and those of {owner} of {other} x {other}"
    if key not in held:
        return f"it has no {needed[key][0]}, and {owner} has one of {_times(needed[key][1])}"
    name, one = held[key]
    if key not in needed:
        return f"it holds {name} of {_times(one)}, and {owner} has none"
    other = needed[key][1]
    differing = [axis for axis in range(len(one)) if one[axis] != other[axis]] if len(one) == len(other) else None
    if differing == [2] and {one[2], other[2]} == {1, 3}:
        return f"its images have {one[2]} channel{'s' * (one[2] > 1)}, and those of {owner} have {other[2]}"
    # A dense kernel is [inputs, outputs]; the critic's has one output, and no latents as its input.
    hint = " (another --latent_dim?)" if differing == [0] and len(one) == 2 and one[1] > 1 else ""
    return f"its {name} is {_times(one)}, and that of {owner} is {_times(other)}{hint}"


def _count_like(key, layout):
    """How many kernels there are in the list of layers that a key belongs to."""
    place = key[:key.index("further_convs/")]
    return sum(path.startswith(f"{place}further_convs/") and len(shape) > 1 for path, (_, shape) in layout.items())


def _times(shape):
    return " x ".join(map(str, shape)) or "a single number"
