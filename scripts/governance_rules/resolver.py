"""What an expression can be, by following names to what binds them.

The order of statements is ignored: a name is everything that its scope ever binds it to. That errs towards finding
too much, never too little.
"""

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator

from . import library_calls, types
from .atoms import (
    NOTHING,
    PLAIN,
    PLUGIN,
    UNKNOWN,
    Atom,
    Class,
    External,
    Function,
    Gate,
    Object,
    OwnModule,
    Plain,
    Plugin,
    Text,
    Unknown,
    Value,
    is_look_up,
    named,
    union,
)
from .layout import GATE_CLASS
from .libraries import BUILTINS, CONTAINER_METHODS, is_opaque
from .project import Project
from .scopes import Binding, FunctionNode, How, Module, Scope, attribute_path, decorator_names, given_back

_NEVER = 1_000_000
_CALLED_ON_ACCESS = frozenset({"property", "cached_property"})


class Resolver:
    """Answers what expressions of a project can be."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._active: dict[Hashable, int] = {}
        self._cut_at = _NEVER
        self._known: dict[Hashable, Value] = {}

    def once(self, key: Hashable, find: Callable[[], Value]) -> Value:
        """Return what ``find`` finds, and remember it; a question inside itself adds nothing to the answer.

        An answer that was cut short by a question further out holds only within that question.
        """
        if key in self._known:
            return self._known[key]
        if key in self._active:
            self._cut_at = min(self._cut_at, self._active[key])
            return NOTHING
        depth = len(self._active)
        cut_before, self._cut_at = self._cut_at, _NEVER
        self._active[key] = depth
        try:
            found = find()
        finally:
            del self._active[key]
        if self._cut_at >= depth:
            self._known[key] = found
            self._cut_at = _NEVER
        self._cut_at = min(self._cut_at, cut_before)
        return found

    # Expressions

    def value(self, node: ast.AST, scope: Scope) -> Value:
        """Return everything that an expression can be."""
        return self.once(node, lambda: self._evaluate(node, scope))

    def _evaluate(self, node: ast.AST, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=None):
                return NOTHING
            case ast.Constant(value=str(text)):
                return frozenset({Text(text)})
            case ast.Name(id=name):
                return named(self.name(name, scope), name)
            case ast.Attribute(value=base, attr=name):
                return named(self._attribute_of_expression(node, base, name, scope), name)
            case ast.Call():
                return self._call(node, scope)
            case ast.Subscript(value=base):
                return self._item_of(self.value(base, scope))
            case ast.Lambda():
                return frozenset({Function(node, scope.module.scope_for[node])})
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _added(self.value(left, scope), self.value(right, scope))
            case ast.JoinedStr():
                return self._joined(node, scope)
            case ast.Constant() | ast.UnaryOp() | ast.Compare():
                return PLAIN
            case ast.IfExp(body=body, orelse=orelse):
                return union(self.value(body, scope), self.value(orelse, scope))
            case ast.NamedExpr(value=value) | ast.Await(value=value) | ast.Starred(value=value):
                return self.value(value, scope)
            case ast.Dict(keys=keys, values=values):
                return union(*(self.value(value, scope) for value in values)) if keys else PLAIN
            case ast.DictComp(value=element):
                return self.value(element, scope.module.scope_for[node])
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                return self.value(element, scope.module.scope_for[node])
            case ast.BinOp(left=left, right=right):
                either = union(self.value(left, scope), self.value(right, scope))
                return frozenset(Plain() if isinstance(atom, Text) else atom for atom in either)
            case ast.BoolOp() | ast.List() | ast.Tuple() | ast.Set():
                parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
                return union(*(self.value(part, scope) for part in parts)) if parts else PLAIN
        return UNKNOWN

    def _joined(self, node: ast.JoinedStr, scope: Scope) -> Value:
        found: Value = frozenset({Text("")})
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            found = _added(found, self.value(inner, scope))
        return found

    def texts(self, node: ast.AST, scope: Scope) -> set[str]:
        """Return the strings that an expression can be, as far as the source spells them out."""
        return {atom.text for atom in self.value(node, scope) if isinstance(atom, Text)}

    # Names

    def name(self, name: str, scope: Scope) -> Value:
        """Return what a name is in a scope."""
        for around in scope.ancestry():
            if around.is_class and around is not scope:
                continue
            if name in around.elsewhere:
                return union(*(self._bound(where, name) for where in around.elsewhere[name]))
            if name in around.names:
                return self._bound(around, name)
        for dotted in scope.module.scope.stars:
            for module in self.project.modules(dotted, scope.module):
                if (found := self.member(module, name)) != UNKNOWN:
                    return found
        return frozenset({External(f"builtins.{name}")}) if name in BUILTINS else UNKNOWN

    def _bound(self, scope: Scope, name: str) -> Value:
        return self.once((scope, name), lambda: self._all(scope.names.get(name, ())))

    def _all(self, bindings: Iterable[Binding]) -> Value:
        return union(*(self.binding(binding) for binding in bindings))

    def binding(self, binding: Binding) -> Value:
        """Return what a binding gives its name."""
        return self.once(binding, lambda: self._binding(binding))

    def _binding(self, binding: Binding) -> Value:
        node, scope = binding.node, binding.scope
        match binding.how:
            case How.SELF if isinstance(node, FunctionNode):
                return self._self(node, scope)
            case How.IMPORT:
                return self._imported(binding)
            case How.DEFINED if isinstance(node, ast.ClassDef):
                return frozenset({Class(node, scope.module.scope_for[node])})
            case How.DEFINED if isinstance(node, FunctionNode):
                return frozenset({Function(node, scope.module.scope_for[node])})
            case How.TYPE if node is not None:
                return types.object_of(self, node, scope)
            case How.ANNOTATED if node is not None and binding.extra is not None:
                return self.declared(types.object_of(self, binding.extra, scope), self.value(node, scope))
            case How.NARROWED if node is not None and binding.extra is not None:
                return self.declared(types.object_of(self, binding.extra, scope), self.value(node, scope))
            case How.VALUE if node is not None:
                return self.value(node, scope)
            case How.ITEM if node is not None:
                return self._item_of(self.value(node, scope), "__iter__", "__aiter__")
            case How.ENTERED if node is not None:
                return self._item_of(self.value(node, scope), "__enter__", "__aenter__")
        return UNKNOWN

    @staticmethod
    def declared(declared: Value, value: Value) -> Value:
        """A type says what a thing is; where it says nothing, and for plugins, the value has its say."""
        if Unknown() in declared:
            return (declared - UNKNOWN) | value
        return declared | (value & PLUGIN)

    def _self(self, node: FunctionNode, scope: Scope) -> Value:
        around = scope.parent
        if around is None or not isinstance(around.node, ast.ClassDef):
            return UNKNOWN
        of = Class(around.node, around)
        takes_class = {"__new__", "__init_subclass__"}
        is_class = "classmethod" in decorator_names(node) or getattr(node, "name", "") in takes_class
        return frozenset({of if is_class else Object(of)})

    def _imported(self, binding: Binding) -> Value:
        importer = binding.scope.module
        if not binding.member:
            return self.project.imported(binding.dotted, importer)
        separator = "" if binding.dotted.endswith(".") else "."
        as_module = self.project.modules(f"{binding.dotted}{separator}{binding.member}", importer)
        owners = self.project.modules(binding.dotted, importer)
        if as_module or owners:
            members = [found for owner in owners if (found := self.member(owner, binding.member)) != UNKNOWN]
            found = union(frozenset(OwnModule(module) for module in as_module), *members)
            return found or UNKNOWN
        if self.project.is_own(binding.dotted):
            return UNKNOWN
        return frozenset({External(f"{binding.dotted}.{binding.member}")})

    def origins(self, node: ast.AST, scope: Scope, depth: int = 0) -> Iterator[tuple[Module, str]]:
        """Yield the modules of ours, and the names there, that an imported name or a module's attribute stands for."""
        if isinstance(node, ast.Attribute):
            owners = [atom.module for atom in self.value(node.value, scope) if isinstance(atom, OwnModule)]
            yield from ((owner, node.attr) for owner in owners)
        elif isinstance(node, ast.Name) and depth < 10:
            found = next((around.names[node.id] for around in scope.ancestry() if node.id in around.names), [])
            for binding in found:
                for owner in self.project.modules(binding.dotted, scope.module) if binding.member else []:
                    yield owner, binding.member
                    yield from self.origins(ast.Name(binding.member), owner.scope, depth + 1)

    def member(self, module: Module, name: str) -> Value:
        """Return what a module's top level binds a name to."""
        return self.once((module, name), lambda: self._member(module, name))

    def _member(self, module: Module, name: str) -> Value:
        if name in module.scope.names:
            return self._bound(module.scope, name)
        if module.is_package and (inner := self.project.modules(f".{name}", module)):
            return frozenset(OwnModule(found) for found in inner)
        starred = [self.project.modules(dotted, module) for dotted in module.scope.stars]
        found = [self.member(other, name) for modules in starred for other in modules]
        return union(*(value for value in found if value != UNKNOWN)) or UNKNOWN

    # Attributes

    def _attribute_of_expression(self, node: ast.Attribute, base: ast.expr, name: str, scope: Scope) -> Value:
        found = self.attribute(self.value(base, scope), name)
        path = attribute_path(node)
        if path is not None and path in scope.module.scope.paths:
            found = union(found, self._all(scope.module.scope.paths[path]))
        return found

    def attribute(self, value: Value, name: str) -> Value:
        """Return what an attribute of a value can be."""
        if name == "__class__":
            return frozenset(atom.of if isinstance(atom, Object) else atom for atom in value)
        return union(*(self._attribute_of_atom(atom, name) for atom in value))

    def _attribute_of_atom(self, atom: Atom, name: str) -> Value:
        match atom:
            case External(dotted=dotted):
                found: Value = frozenset({External(f"{dotted}.{name}")})
                return found | PLUGIN if is_look_up(name) else found
            case OwnModule(module=module):
                return self.member(module, name)
            case Class() | Object():
                return self._attribute_of_object(atom, name)
            case Plugin():
                return PLUGIN
            case Plain() | Text() | Function():
                return PLUGIN if is_look_up(name) else PLAIN
        return PLUGIN if is_look_up(name) else UNKNOWN

    def _attribute_of_object(self, atom: Class | Object, name: str) -> Value:
        of = atom.of if isinstance(atom, Object) else atom
        return self.once((atom, name), lambda: self._attribute_of(atom, of, name))

    def _attribute_of(self, atom: Class | Object, of: Class, name: str) -> Value:
        bindings, outside = self.lookup(of, name)
        if not bindings:
            if isinstance(atom, Object) and name in CONTAINER_METHODS:
                return frozenset({atom})
            return union(*(self._attribute_of_atom(base, name) for base in outside)) if outside else UNKNOWN
        found = self._all(bindings)
        for member in [member for member in found if isinstance(member, Function)]:
            if decorator_names(member.node) & _CALLED_ON_ACCESS:
                found = (found - {member}) | self.returned(member)
        return found

    def lookup(self, of: Class, name: str) -> tuple[list[Binding], Value]:
        """Return the bindings of a class's attribute, nearest first in its bases, and its bases that are not ours."""
        outside: Value = NOTHING
        stored: list[Binding] = []
        for ancestor in self.ancestors(of):
            if isinstance(ancestor, Class):
                stored += ancestor.scope.fields.get(name, [])
                if declared := ancestor.scope.names.get(name, []):
                    return [*stored, *declared], outside
            elif ancestor != External("builtins.object"):
                outside |= {ancestor}
        return stored, outside

    def ancestors(self, of: Class) -> Iterator[Atom]:
        """Yield a class and everything it inherits from, breadth first."""
        pending: list[Atom] = [of]
        seen: set[Atom] = set()
        while pending:
            atom = pending.pop(0)
            if atom in seen:
                continue
            seen.add(atom)
            yield atom
            if isinstance(atom, Class) and atom.scope.parent is not None:
                for base in atom.node.bases:
                    named_base = base.value if isinstance(base, ast.Subscript) else base
                    pending += sorted(self.value(named_base, atom.scope.parent), key=_order)

    # Calls

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and (method := scope.method()) is not None:
            return self._super(method)
        function = self.value(node.func, scope)
        found = union(*(self._called(atom, node, scope) for atom in function))
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return named(found, name)

    def _super(self, method: Scope) -> Value:
        around = method.parent
        if around is None or not isinstance(around.node, ast.ClassDef):
            return UNKNOWN
        outside = around.parent or around
        bases = [self.value(base, outside) for base in around.node.bases]
        return frozenset(Object(atom) if isinstance(atom, Class) else atom for atom in union(*bases)) or PLAIN

    def _called(self, atom: Atom, node: ast.Call, scope: Scope) -> Value:
        match atom:
            case External(dotted=dotted):
                return library_calls.result(self, dotted, node, scope)
            case Class():
                return self.instance(atom)
            case Function():
                return self.returned(atom)
            case Object():
                bindings, _ = self.lookup(atom.of, "__call__")
                methods = [member for member in self._all(bindings) if isinstance(member, Function)]
                return union(*(self.returned(method) for method in methods)) if methods else frozenset({atom})
            case Plugin():
                return PLUGIN
            case Gate():
                return frozenset({atom})
            case Plain() | Text():
                return PLAIN | (self.arguments(node, scope) & PLUGIN)
        return UNKNOWN

    def instance(self, of: Class) -> Value:
        """Return what calling a class gives."""
        return frozenset({Gate()}) if self.is_gate(of) else frozenset({Object(of)})

    def returned(self, function: Function) -> Value:
        """Return what calling a function of ours gives: what it declares, else what it returns."""
        return self.once((function.node, "return"), lambda: self._returned(function))

    def _returned(self, function: Function) -> Value:
        given = union(*(self.value(part, function.scope) for part in given_back(function.node)))
        annotation = getattr(function.node, "returns", None)
        if annotation is None or function.scope.parent is None:
            return given
        return self.declared(types.object_of(self, annotation, function.scope.parent), given)

    def arguments(self, node: ast.Call, scope: Scope) -> Value:
        """Return everything that a call is handed."""
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        return union(*(self.value(part, scope) for part in parts))

    def _item_of(self, value: Value, *methods: str) -> Value:
        """Return what indexing, iterating, unpacking or entering a value gives: a container is what it holds."""
        found: list[Value] = []
        for atom in value:
            if isinstance(atom, External) and is_opaque(atom.dotted):
                found.append(UNKNOWN)
            elif isinstance(atom, Text) and not methods:
                found.append(PLAIN | {atom})
            elif isinstance(atom, Object):
                bindings = [
                    binding for name in methods or ("__getitem__",) for binding in self.lookup(atom.of, name)[0]
                ]
                given = [self.returned(member) for member in self._all(bindings) if isinstance(member, Function)]
                found.append(union(*given) if given else frozenset({atom}))
            else:
                found.append(frozenset({atom}))
        return union(*found)

    # Classes

    def is_gate(self, of: Class) -> bool:
        """Whether a class is the gate: the ToolRunner where it may be defined, or one that inherits from it."""
        ours = [atom for atom in self.ancestors(of) if isinstance(atom, Class)]
        return any(atom.node.name == GATE_CLASS and atom.scope.module.place.may_define_gate() for atom in ours)

    def names_gate(self, atom: Atom) -> bool:
        """Whether an atom is the gate or its class."""
        if isinstance(atom, External):
            return atom.dotted.rpartition(".")[2] == GATE_CLASS
        return isinstance(atom, Gate) or (isinstance(atom, Class) and self.is_gate(atom))


def _added(left: Value, right: Value) -> Value:
    """Return the sum of two values, string by string."""
    lefts = [atom.text for atom in left if isinstance(atom, Text)]
    rights = [atom.text for atom in right if isinstance(atom, Text)]
    texts = frozenset(Text(one + other) for one in lefts[:8] for other in rights[:8] if len(one + other) < 200)
    rest = frozenset(atom for atom in left | right if not isinstance(atom, Text))
    return texts | rest or PLAIN


def _order(atom: Atom) -> tuple[str, str, int]:
    return type(atom).__name__, getattr(atom, "dotted", ""), getattr(getattr(atom, "node", None), "lineno", 0)
