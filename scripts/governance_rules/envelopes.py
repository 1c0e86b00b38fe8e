"""Error envelopes that are built by hand."""

import ast
from collections.abc import Iterator

from .findings import Finding, Rule
from .resolver import Resolver
from .scopes import How, Module, Scope

INTERNAL = "_internal"
ERROR = "error"
_BODY = frozenset({"type", "message"})


def envelopes_by_hand(module: Module, resolver: Resolver) -> list[Finding]:
    """Return where a module builds an error envelope itself."""
    if module.place.may_build_envelopes:
        return []
    found = _Envelopes(module, resolver)
    return sorted({finding for node in ast.walk(module.tree) for finding in found.of(node)})


class _Envelopes:
    def __init__(self, module: Module, resolver: Resolver) -> None:
        self._module = module
        self._resolver = resolver

    def of(self, node: ast.AST) -> Iterator[Finding]:
        scope = self._module.scope_of[node]
        if isinstance(node, (ast.Dict, ast.Call)):
            yield from self._of_pairs(node, self._pairs(node, scope), scope)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = [target for target in targets if isinstance(target, ast.Subscript)]
            for target in stored:
                pairs = [(key, node.value) for key in self._resolver.texts(target.slice, scope)]
                yield from self._of_pairs(node, pairs, scope)

    def _of_pairs(self, node: ast.AST, pairs: list[tuple[str, ast.expr]], scope: Scope) -> Iterator[Finding]:
        for key, value in pairs:
            if key == INTERNAL or (key == ERROR and self._is_body(value, scope)):
                said = f"a dict with {key!r} is an error envelope built by hand; use build_error_envelope"
                yield Finding(self._module.place.path, node.lineno, Rule.ENVELOPE_BY_HAND, said)  # type: ignore[attr-defined]
                return

    def _pairs(self, node: ast.AST, scope: Scope) -> list[tuple[str, ast.expr]]:
        """Return the string keys that an expression makes a dict of, with their values."""
        if isinstance(node, ast.Dict):
            pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
            return [(text, value) for key, value in pairs for text in self._resolver.texts(key, scope)]
        if isinstance(node, ast.Call) and _makes_a_dict(node):
            named = [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg is not None]
            listed = [pair for part in node.args for pair in self._listed(part, scope)]
            return [*named, *listed, *self._default(node, scope)]
        return []

    def _listed(self, node: ast.expr, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
        """Yield the pairs of ``dict([("error", …)])``."""
        if isinstance(node, (ast.List, ast.Tuple)):
            for part in node.elts:
                if isinstance(part, ast.Tuple) and len(part.elts) == 2:
                    yield from ((text, part.elts[1]) for text in self._resolver.texts(part.elts[0], scope))

    def _default(self, node: ast.Call, scope: Scope) -> list[tuple[str, ast.expr]]:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "setdefault" and len(node.args) == 2:
            return [(text, node.args[1]) for text in self._resolver.texts(node.args[0], scope)]
        return []

    def _is_body(self, value: ast.expr, scope: Scope, depth: int = 0) -> bool:
        if isinstance(value, (ast.Dict, ast.Call)):
            return {key for key, _ in self._pairs(value, scope)} >= _BODY
        if isinstance(value, ast.Name) and depth < 5:
            around = next((outer for outer in scope.ancestry() if value.id in outer.names), None)
            bindings = around.names[value.id] if around is not None else []
            made = [binding for binding in bindings if binding.how in {How.VALUE, How.ANNOTATED}]
            nodes = [(binding.node, binding.scope) for binding in made if isinstance(binding.node, ast.expr)]
            return any(self._is_body(node, inner, depth + 1) for node, inner in nodes)
        if isinstance(value, ast.IfExp):
            return self._is_body(value.body, scope, depth) or self._is_body(value.orelse, scope, depth)
        return False


def _makes_a_dict(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Name):
        return node.func.id == "dict"
    return isinstance(node.func, ast.Attribute) and node.func.attr in {"update", "setdefault"}
