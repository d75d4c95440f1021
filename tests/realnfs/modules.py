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

"""Picks kernel modules, and what they depend on, from an unpacked kernel."""

import lzma
import pathlib
import stat

from tests.realnfs import errors
from tests.realnfs import packages


class Modules:
    """The modules of a kernel package that is unpacked in a tree."""

    def __init__(self, tree, version):
        self.folder = _folder(pathlib.Path(tree), version)
        self._version = version
        _decompress(self.folder)
        packages.run(str(tree / 'bin/busybox'), 'depmod', '-b',
                     _base(self.folder), version)
        self._needs = _dependencies(self.folder / 'modules.dep')

    def write(self, archive, under, names):
        """Write these modules and an index of them into an archive.

        :param under: the archive's folder of `modules`, as in `usr/lib`
        """
        top = f'{under}/modules/{self._version}'
        chosen = self._closure(names)
        for path in chosen:
            archive.path(self.folder / path, f'{top}/{path}')
        index = ''.join(f'{path}: {" ".join(self._needs[path])}\n'
                        for path in chosen)
        archive.entry(f'{top}/modules.dep', stat.S_IFREG | 0o644,
                      index.encode())
        for name in ('modules.alias', 'modules.symbols'):
            archive.path(self.folder / name, f'{top}/{name}')

    def _closure(self, names):
        by_name = {pathlib.PurePath(path).stem.replace('-', '_'): path
                   for path in self._needs}
        # Some kernels have built in what is a module in others.
        waiting = [by_name[name] for name in names if name in by_name]
        found = set()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._needs[path]
        return sorted(found)


def _folder(tree, version):
    for top in ('lib', 'usr/lib'):
        folder = tree / top / 'modules' / version
        if folder.is_dir():
            return folder
    raise errors.Missing(f'the kernel package of {version} has no modules')


def _base(folder):
    """What depmod takes as root: the folder that `lib` is in."""
    return str(folder.parents[2])


def _decompress(folder):
    """Unpack .ko.xz files, which busybox can't load."""
    for packed in list(folder.rglob('*.ko.xz')):
        packed.with_suffix('').write_bytes(lzma.decompress(
            packed.read_bytes()))
        packed.unlink()


def _dependencies(index):
    """modules.dep as a table: path -> paths of what it needs."""
    lines = (line.partition(':') for line in index.read_text().splitlines())
    return {path: needs.split() for path, _colon, needs in lines}
