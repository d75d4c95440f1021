#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Reads the imports of a package, and says which go the wrong way.

The source is read and not run, so that an import within a function counts
like any other.
"""

import ast
import graphlib
import pathlib

#: Functions that import by a name in a string.
_IMPORTERS = frozenset(['__import__', 'import_class', 'import_module',
                        'import_object', 'try_import'])


class Module:
    """One file: what it imports, and the strings in its code.

    :ivar name: from the package on, as 'share.gate'
    :ivar room: its first part, '' for the package itself
    """

    def __init__(self, name, text):
        self.name = name
        self.room = name.split('.')[0]
        self._tree = ast.parse(text)

    def imports(self):
        """(line, full name) of each import; relative ones begin with a dot.

        Of 'from a import b' both 'a' and 'a.b' may be meant: 'a.b'.
        """
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = '.' * node.level + (node.module or '')
                yield from ((node.lineno, '%s.%s' % (origin, each.name))
                            for each in node.names)
            elif isinstance(node, ast.Call) and node.args:
                yield from self._imported_by_call(node)

    def _imported_by_call(self, node):
        name = getattr(node.func, 'attr', getattr(node.func, 'id', None))
        argument = node.args[0]
        if name in _IMPORTERS and isinstance(argument, ast.Constant):
            yield node.lineno, str(argument.value)

    def strings(self):
        """(line, text) of each string that is no docstring."""
        docstrings = {id(node.value) for node in ast.walk(self._tree)
                      if isinstance(node, ast.Expr)}
        for node in ast.walk(self._tree):
            if (isinstance(node, ast.Constant) and
                    isinstance(node.value, str) and
                    id(node) not in docstrings):
                yield node.lineno, node.value


def read(folder):
    """All modules of a package."""
    folder = pathlib.Path(folder)
    for path in sorted(folder.rglob('*.py')):
        parts = path.relative_to(folder).with_suffix('').parts
        if parts[-1] == '__init__':
            parts = parts[:-1]
        yield Module('.'.join(parts), path.read_text())


def wrong_way(modules, package, floors):
    """Complaints about imports that do not go down.

    :param floors: tuples of rooms, the upper floors first. A room imports
                   itself and what is on lower floors.
    """
    heights = {room: number for number, floor in enumerate(floors)
               for room in floor}
    for module in modules:
        if module.room not in heights:
            yield '%s is a room that is on no floor' % module.name
            continue
        for line, name in module.imports():
            if name.startswith('.'):
                yield '%s:%d imports %s: write the whole name' % (
                    module.name, line, name)
            elif name.split('.')[0] == package:
                reason = _objection(heights, module.room,
                                    (name.split('.') + [''])[1])
                if reason:
                    yield '%s:%d imports %s: %s' % (module.name, line, name,
                                                    reason)


def _objection(heights, room, imported):
    if imported == room:
        return None
    if imported not in heights:
        return 'there is no such room'
    if heights[imported] > heights[room]:
        return None
    return 'it is on %s floor' % (
        'the same' if heights[imported] == heights[room] else 'a higher')


def circles(modules, package):
    """Complaints about modules that import each other in a circle."""
    modules = list(modules)
    known = {module.name for module in modules}
    graph = {module.name: {_module_of(name, package, known)
                           for __, name in module.imports()} - {None}
             for module in modules}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield 'a circle: %s' % ' <- '.join(error.args[1])


def _module_of(name, package, known):
    """The module of ours that an import is of; it may name more."""
    parts = name.split('.')
    if parts[0] != package:
        return None
    for length in range(len(parts), 1, -1):
        if '.'.join(parts[1:length]) in known:
            return '.'.join(parts[1:length])
    return None


def foreign(modules, name, allowed):
    """Complaints about imports of somebody else's package.

    :param allowed: rooms that may import it
    """
    for module in modules:
        for line, imported in module.imports():
            if imported.split('.')[0] == name and module.room not in allowed:
                yield '%s:%d imports %s' % (module.name, line, imported)


def named(modules, word, allowed):
    """Complaints about strings that name something.

    :param allowed: rooms that may name it
    """
    for module in modules:
        for line, text in module.strings():
            if word in text and module.room not in allowed:
                yield '%s:%d names %s' % (module.name, line, word)
