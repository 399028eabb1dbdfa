"""What a user may set: an option is declared once, as a field of a dataclass; flags and checks are made from that."""

import ast
import dataclasses
import inspect
import itertools
import operator
import os
import sys
import typing

from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line

# By the name of a bound: what a number must be to it, as a function and in words.
_BOUNDS = {
    "at_least": (operator.ge, "at least"),
    "at_most": (operator.le, "at most"),
    "above": (operator.gt, "more than"),
    "below": (operator.lt, "less than"),
}


def option(default, group, *, decides_result=True, choices=None, help=None, **bounds):
    """A field of a dataclass; the string below it is its help, one or two sentences.

    Args:
        default: value when nothing is given.
        group: the heading under which the help shows it.
        decides_result: whether another value gives another result, so that a continued run must keep it.
        choices: the values allowed, or None.
        help: in place of the string below.
        bounds: of a number: `at_least`, `at_most`, `above`, `below`.
    """
    metadata = dict(group=group, help=help, decides_result=decides_result, choices=choices, bounds=bounds)
    return dataclasses.field(default=default, metadata=metadata)


def help_texts(declaration):
    """The help of every field of a dataclass whose fields are options: {name: text in one line}."""
    body = typing.cast(ast.ClassDef, ast.parse(inspect.getsource(declaration)).body[0])
    below = {
        field.target.id: ast.literal_eval(text.value)
        for field, text in itertools.pairwise(body.body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    found = {}
    for field in dataclasses.fields(declaration):
        choices = field.metadata["choices"]
        listed = f"One of {', '.join(map(str, choices))}. " if choices else ""
        found[field.name] = listed + " ".join((field.metadata["help"] or below[field.name]).split())
    return found


def value_type(field):
    """The type that a field's value has when it is given: `str` for `str | None`."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    return kinds[0] if kinds else field.type


def check(options):
    """Raises UserError, naming the flag, for the first field whose value is of another type or out of its bounds."""
    for field in dataclasses.fields(options):
        name, value, choices = field.name, getattr(options, field.name), field.metadata["choices"]
        if value is None and field.default is None:
            continue
        kind = value_type(field)
        allowed = {float: (int, float), str: (str, os.PathLike)}.get(kind, kind)
        if not isinstance(value, allowed) or isinstance(value, bool) != (kind is bool):
            raise UserError(f"--{name} is {one_line(repr(value), longest=60)}; it must be of the type {kind.__name__}")
        if choices and value not in choices:
            near = did_you_mean(value, map(str, choices))
            raise UserError(f"--{name} is {one_line(repr(value))}{near}; choose one of {', '.join(map(str, choices))}")
        if kind is float and not abs(value) <= sys.float_info.max:
            raise UserError(f"--{name} is {value}; it must be a finite number")
        for kind, bound in field.metadata["bounds"].items():
            is_within, words = _BOUNDS[kind]
            if not is_within(value, bound):
                raise UserError(f"--{name} is {value}; it must be {words} {bound}")
        if value == "":
            raise UserError(f"--{name} is empty; give a value or leave the flag out")
