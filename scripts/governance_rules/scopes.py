"""The names of a module: which scope binds them, and to what."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from .layout import Place

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ComprehensionNode = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
MUTATORS = frozenset(
    {"add", "append", "appendleft", "extend", "insert", "push", "put", "put_nowait", "set", "setdefault", "update"}
)


class How(Enum):
    """How a binding gives a name its value."""

    VALUE = auto()  # the expression itself
    ITEM = auto()  # what iterating or unpacking the expression gives
    ENTERED = auto()  # what entering the expression as a context gives
    TYPE = auto()  # an object of the annotated type
    ANNOTATED = auto()  # an annotated assignment: the type, checked against the value
    NARROWED = auto()  # the expression, known to be of a class
    IMPORT = auto()
    DEFINED = auto()  # a class or a function
    SELF = auto()  # the object or class that a method is called on
    UNKNOWN = auto()


@dataclass(frozen=True, eq=False, repr=False)
class Binding:
    how: How
    scope: "Scope"
    node: ast.AST | None = None
    extra: ast.AST | None = None
    dotted: str = ""
    member: str = ""


@dataclass(eq=False, repr=False)
class Scope:
    """One scope: what it binds. ``fields`` of a class holds what its methods store on the object."""

    node: ast.AST
    parent: "Scope | None"
    module: "Module"
    names: dict[str, list[Binding]] = field(default_factory=dict)
    paths: dict[str, list[Binding]] = field(default_factory=dict)
    fields: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, list["Scope"]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_comprehension(self) -> bool:
        return isinstance(self.node, ComprehensionNode)

    def ancestry(self) -> Iterator["Scope"]:
        """Yield this scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def method(self, self_name: str | None = None) -> "Scope | None":
        """Return the innermost method around (of which ``self_name`` is the first parameter)."""
        for scope in self.ancestry():
            if scope.parent is not None and scope.parent.is_class and isinstance(scope.node, FunctionNode):
                first = first_parameter(scope.node)
                if self_name is None or (first is not None and first.arg == self_name):
                    return scope
        return None


@dataclass(eq=False, repr=False)
class Module:
    """A parsed file: its place, its importable name's parts, its scopes and who is whose parent."""

    place: Place
    tree: ast.Module
    parts: tuple[str, ...] = ()
    package_depth: int = 0
    is_package: bool = False
    scope_of: dict[ast.AST, Scope] = field(default_factory=dict)
    scope_for: dict[ast.AST, Scope] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scope = Scope(self.tree, None, self)
        self.scope_for[self.tree] = self.scope
        _Binder(self).bind_all(self.tree, self.scope)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent


def first_parameter(node: FunctionNode) -> ast.arg | None:
    positional = [*node.args.posonlyargs, *node.args.args]
    return positional[0] if positional else None


def own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is inside, without the bodies of functions and classes inside."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if node is root or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


def attribute_path(node: ast.AST) -> str | None:
    """Return ``a.b.c`` for a chain of attributes on a name, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = attribute_path(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def decorator_names(node: FunctionNode) -> set[str]:
    """Return the last part of each decorator's name."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    plain = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in decorators]
    return {(attribute_path(decorator) or "").rpartition(".")[2] for decorator in plain}


def given_back(node: FunctionNode) -> Iterator[ast.expr]:
    """Yield what a function returns or yields, not what functions inside it do."""
    if isinstance(node, ast.Lambda):
        yield node.body
        return
    for inner in own_nodes(node):
        if isinstance(inner, (ast.Return, ast.Yield, ast.YieldFrom)) and inner.value is not None:
            yield inner.value


class _Binder:
    """Walks a module once and fills its scopes."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._stored: list[tuple[ast.AST, Binding]] = []

    def bind_all(self, root: ast.AST, scope: Scope) -> None:
        pending: list[tuple[ast.AST, Scope]] = [(root, scope)]
        while pending:
            node, scope = pending.pop()
            self._module.scope_of[node] = scope
            inner = self._inner_scope(node, scope)
            self._bind(node, scope, inner)
            for child in reversed(list(ast.iter_child_nodes(node))):
                self._module.parents[child] = node
                pending.append((child, self._scope_of_child(node, child, scope, inner)))
        for target, binding in self._stored:
            self._store(target, binding)

    def _inner_scope(self, node: ast.AST, scope: Scope) -> Scope:
        if isinstance(node, (ast.ClassDef, *_types(FunctionNode), *_types(ComprehensionNode))):
            inner = Scope(node, scope, self._module)
            self._module.scope_for[node] = inner
            return inner
        return scope

    @staticmethod
    def _scope_of_child(node: ast.AST, child: ast.AST, scope: Scope, inner: Scope) -> Scope:
        if inner is scope:
            return scope
        outside: list[ast.AST] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            outside = [*node.decorator_list, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.ClassDef):
            outside = [*node.decorator_list, *node.bases, *node.keywords]
        return scope if child in outside else inner

    def _bind(self, node: ast.AST, scope: Scope, inner: Scope) -> None:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._name(scope, name, Binding(How.DEFINED, scope, node))
                self._parameters(node, inner)
            case ast.Lambda():
                self._parameters(node, inner)
            case ast.ClassDef(name=name):
                self._name(scope, name, Binding(How.DEFINED, scope, node))
            case ast.Import() | ast.ImportFrom():
                self._imports(node, scope)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._target(target, Binding(How.VALUE, scope, value))
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                how = How.TYPE if value is None else How.ANNOTATED
                self._target(target, Binding(how, scope, value or annotation, annotation))
            case ast.AugAssign(target=target, value=value):
                self._target(target, Binding(How.VALUE, scope, value))
                self._target(target, Binding(How.UNKNOWN, scope))
            case ast.NamedExpr(target=target, value=value):
                around = next(outer for outer in scope.ancestry() if not outer.is_comprehension)
                self._name(around, target.id, Binding(How.VALUE, scope, value))
            case ast.For(target=target, iter=iterated) | ast.AsyncFor(target=target, iter=iterated):
                self._target(target, Binding(How.ITEM, scope, iterated))
            case ast.comprehension(target=target, iter=iterated):
                self._target(target, Binding(How.ITEM, scope, iterated))
            case ast.withitem(context_expr=entered, optional_vars=ast.AST() as target):
                self._target(target, Binding(How.ENTERED, scope, entered))
            case ast.ExceptHandler(name=str(name)):
                self._name(scope, name, Binding(How.TYPE, scope, node.type))
            case ast.Match(subject=subject, cases=cases):
                for case in cases:
                    self._pattern(case.pattern, Binding(How.VALUE, scope, subject))
            case ast.Call(func=ast.Attribute(value=holder), args=args, keywords=keywords):
                self._mutation(node, holder, [*args, *(keyword.value for keyword in keywords)], scope)
            case _ if isinstance(node, _TYPE_ALIAS):
                self._target(node.name, Binding(How.VALUE, scope, node.value))  # type: ignore[attr-defined]

    def _name(self, scope: Scope, name: str, binding: Binding) -> None:
        for where in scope.elsewhere.get(name, [scope]):
            where.names.setdefault(name, []).append(binding)

    def _parameters(self, node: FunctionNode, inner: Scope) -> None:
        self._declared_elsewhere(node, inner)
        arguments = node.args
        first = first_parameter(node)
        is_method = inner.parent is not None and inner.parent.is_class and not isinstance(node, ast.Lambda)
        for parameter in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if parameter is first and is_method and not _is_static(node):
                binding = Binding(How.SELF, inner, node)
            elif parameter.annotation is not None:
                binding = Binding(How.TYPE, inner, parameter.annotation)
            else:
                binding = Binding(How.UNKNOWN, inner)
            self._name(inner, parameter.arg, binding)
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                how = How.UNKNOWN if rest.annotation is None else How.TYPE
                self._name(inner, rest.arg, Binding(how, inner, rest.annotation))

    def _declared_elsewhere(self, node: FunctionNode, inner: Scope) -> None:
        functions = [scope for scope in inner.ancestry() if isinstance(scope.node, FunctionNode)][1:]
        for statement in own_nodes(node):
            if isinstance(statement, (ast.Global, ast.Nonlocal)):
                where = [self._module.scope] if isinstance(statement, ast.Global) else functions
                inner.elsewhere.update(dict.fromkeys(statement.names, where))

    def _imports(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        base = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            if alias.name == "*":
                scope.stars.append(base)
            elif isinstance(node, ast.ImportFrom):
                self._name(scope, alias.asname or alias.name, Binding(How.IMPORT, scope, node, None, base, alias.name))
            else:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                self._name(scope, alias.asname or bound, Binding(How.IMPORT, scope, node, None, bound))

    def _target(self, target: ast.AST, binding: Binding) -> None:
        match target:
            case ast.Name(id=name):
                self._name(binding.scope, name, binding)
            case ast.Attribute():
                self._stored.append((target, binding))
            case ast.Subscript(value=holder):
                self._stored.append((holder, binding))
            case ast.Starred(value=inner):
                self._target(inner, binding)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = binding.node.elts if isinstance(binding.node, (ast.Tuple, ast.List)) else []
                paired = binding.how is How.VALUE and len(values) == len(parts)
                paired = paired and not any(isinstance(part, ast.Starred) for part in [*parts, *values])
                for index, part in enumerate(parts):
                    whole = Binding(How.ITEM, binding.scope, binding.node)
                    self._target(part, Binding(How.VALUE, binding.scope, values[index]) if paired else whole)

    def _store(self, target: ast.AST, binding: Binding) -> None:
        """Note what is stored on an attribute, or in a container that a name or an attribute holds."""
        if isinstance(target, ast.Name):
            self._name(_holder_of(binding.scope, target.id), target.id, binding)
            return
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            method = binding.scope.method(target.value.id)
            if method is not None and method.parent is not None:
                method.parent.fields.setdefault(target.attr, []).append(binding)
                return
        path = attribute_path(target)
        if path is not None:
            self._module.scope.paths.setdefault(path, []).append(binding)

    def _pattern(self, pattern: ast.AST, binding: Binding) -> None:
        match pattern:
            case ast.MatchAs(pattern=inner, name=name):
                narrowed = binding
                if isinstance(inner, ast.MatchClass) and binding.how is How.VALUE:
                    narrowed = Binding(How.NARROWED, binding.scope, binding.node, inner.cls)
                if name is not None:
                    self._name(binding.scope, name, narrowed)
                if inner is not None:
                    self._pattern(inner, binding)
            case ast.MatchStar(name=str(name)):
                self._name(binding.scope, name, binding)
            case ast.MatchOr(patterns=parts):
                for part in parts:
                    self._pattern(part, binding)
            case ast.MatchSequence(patterns=parts) | ast.MatchMapping(patterns=parts):
                if isinstance(pattern, ast.MatchMapping) and pattern.rest:
                    self._name(binding.scope, pattern.rest, binding)
                for part in parts:
                    self._pattern(part, Binding(How.ITEM, binding.scope, binding.node))
            case ast.MatchClass(patterns=parts, kwd_patterns=named):
                for part in [*parts, *named]:
                    self._pattern(part, Binding(How.UNKNOWN, binding.scope))

    def _mutation(self, call: ast.Call, holder: ast.AST, values: list[ast.expr], scope: Scope) -> None:
        if isinstance(call.func, ast.Attribute) and call.func.attr in MUTATORS:
            for value in values:
                self._stored.append((holder, Binding(How.VALUE, scope, value)))


def _types(union: object) -> tuple[type, ...]:
    return union.__args__  # type: ignore[attr-defined, no-any-return]


_TYPE_ALIAS: tuple[type, ...] = (ast.TypeAlias,) if hasattr(ast, "TypeAlias") else ()


def _is_static(node: FunctionNode) -> bool:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in decorators)


def _holder_of(scope: Scope, name: str) -> Scope:
    """Return the scope in which a name that is only changed, not assigned, lives."""
    for around in scope.ancestry():
        if name in around.names and (around is scope or not around.is_class):
            return around
    return scope.module.scope
