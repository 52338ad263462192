"""The faults that one file can have: each a changed piece of its source."""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
CALCULATED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
OPPOSITE = {
    "min": "max", "max": "min", "amin": "amax", "amax": "amin", "any": "all", "all": "any",
    "argmin": "argmax", "argmax": "argmin", "minimum": "maximum", "maximum": "minimum",
}  # fmt: skip
# What only a person reads.
_UNTOUCHED = {"__repr__", "__str__"}
_SPEAKING = {"warn", "debug", "info", "warning", "error", "exception", "log", "print"}


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        line: Where it is.
        kind: What was done.
        source: The whole file with it.
        diff: The changed lines.
    """

    line: int
    kind: str
    source: str
    diff: str


def mutants_of(source: str) -> list[Mutant]:
    """All faults of a file, always in the same order.

    Every changed statement is written anew, so the diff is of the unparsed source.
    """
    tree = ast.parse(source)
    plain = ast.unparse(tree)
    found = []
    for index, (node, _, field, position) in enumerate(_sites(tree)):
        for kind, change in _changes(node):
            mutated = copy.deepcopy(tree)
            twin, twin_parent, _, _ = _sites(mutated)[index]
            new = change(twin)
            if position is None:
                setattr(twin_parent, field, new)
            else:
                getattr(twin_parent, field)[position] = new
            text = ast.unparse(ast.fix_missing_locations(mutated))
            if text != plain:
                found.append(Mutant(node.lineno, kind, text, _diff(plain, text)))
    return found


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


Site = tuple[ast.AST, ast.AST, str, "int | None"]


def _sites(tree: ast.AST) -> list[Site]:
    """Statements and expressions that may change, with the place that holds them."""

    def walk(parent: ast.AST) -> Iterator[Site]:
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
                continue
            for position, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or _is_left_alone(node):
                    continue
                yield node, parent, field, position
                yield from walk(node)

    return list(walk(tree))


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in _UNTOUCHED
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return True
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True  # a docstring
        return isinstance(node.value, ast.Call) and _called(node.value) in _SPEAKING
    # Its words; whether it is reached is the condition's business.
    return isinstance(node, ast.Raise)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


Change = tuple[str, Callable[[ast.AST], ast.AST]]


def _changes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            yield "comparison", _set_item("ops", at, COMPARED[type(operator)]())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in CALCULATED:
        yield "arithmetic", _set("op", CALCULATED[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield "and/or", _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield "dropped " + type(node.op).__name__.lower(), lambda twin: twin.operand
    elif isinstance(node, ast.Constant):
        for value in _other_constants(node.value):
            yield "constant", lambda twin, value=value: ast.Constant(value)
    elif isinstance(node, ast.Call):
        name = _called(node)
        if name in OPPOSITE:
            yield "opposite", _opposite
        for at, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                yield f"without {keyword.arg}", lambda twin, at=at: _without_keyword(twin, at)
    elif isinstance(node, ast.FunctionDef) and len(node.body) > 0:
        if not all(isinstance(one, (ast.Expr, ast.Pass)) for one in node.body):
            yield "returns at once", _returning
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "returns None", lambda twin: ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Assign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield "deleted", lambda twin: ast.Pass()
    if isinstance(node, ast.AugAssign):
        yield "deleted", lambda twin: ast.Pass()


def _other_constants(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield 0.5 if value != 0.5 else 0.25


def _set(field: str, new: ast.AST) -> Callable[[ast.AST], ast.AST]:
    def change(twin: ast.AST) -> ast.AST:
        setattr(twin, field, new)
        return twin

    return change


def _set_item(field: str, at: int, new: ast.AST) -> Callable[[ast.AST], ast.AST]:
    def change(twin: ast.AST) -> ast.AST:
        getattr(twin, field)[at] = new
        return twin

    return change


def _opposite(twin: ast.AST) -> ast.AST:
    if isinstance(twin.func, ast.Attribute):
        twin.func.attr = OPPOSITE[twin.func.attr]
    else:
        twin.func.id = OPPOSITE[twin.func.id]
    return twin


def _without_keyword(twin: ast.AST, at: int) -> ast.AST:
    del twin.keywords[at]
    return twin


def _returning(twin: ast.AST) -> ast.AST:
    documented = ast.get_docstring(twin, clean=False) is not None
    twin.body[:] = [*twin.body[:documented], ast.Return(ast.Constant(None))]
    return twin
