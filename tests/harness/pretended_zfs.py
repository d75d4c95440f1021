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

"""A ``zfs`` that makes snapshots of several file systems at one moment.

OpenZFS does so, and zfs-fuse, which the boxes of the tests have, does not. It
knows what our script asks when it makes such snapshots, and says what OpenZFS
says (lib/libzfs/libzfs_dataset.c, cmd/zfs/zfs_main.c). With tests of its own.
"""

import os
import sys

_ZFS = """\
#!/bin/sh
exec '%s' -I -S '%s' '%s' "$@"
"""
_ID = """\
#!/bin/sh
echo 0
"""
_USAGE = 'usage:\n\tsnapshot [-r] [-o property=value] ... <filesystem>@<snap>'


class Zfs:
    """:param folder: absolute path, made; the program is below it
    :param root: a dataset that is there
    :ivar programs: to be put in front of PATH; root's id is there as well
    """

    def __init__(self, folder, root):
        self._folder = str(folder)
        self.programs = os.path.join(self._folder, 'bin')
        os.makedirs(self.programs)
        os.makedirs(self._path('datasets'))
        self._install('zfs', _ZFS % (sys.executable, __file__, self._folder))
        self._install('id', _ID)
        self.add(root)

    def add(self, *names):
        """Datasets or snapshots are there."""
        for name in names:
            open(_path(self._folder, name), 'x').close()

    def remove(self, name):
        os.unlink(_path(self._folder, name))

    def names(self):
        """Of the snapshots that there are."""
        return {each.replace('=', '/')
                for each in os.listdir(self._path('datasets')) if '@' in each}

    def behave(self, text):
        """It says so instead of making any snapshot."""
        with open(self._path('behaviour'), 'w') as stream:
            stream.write(text)

    def calls(self):
        """What was asked for, each a list of words, since the last time."""
        try:
            with open(self._path('calls')) as stream:
                return [line.split('\0') for line in
                        stream.read().splitlines()]
        finally:
            os.truncate(self._path('calls'), 0)

    def _install(self, name, text):
        path = os.path.join(self.programs, name)
        with open(path, 'w') as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o755)

    def _path(self, *names):
        return os.path.join(self._folder, *names)


def _path(folder, name):
    return os.path.join(folder, 'datasets', name.replace('/', '='))


def _fail(text, code=1):
    print(text, file=sys.stderr)
    return code


def _list(folder, name):
    if not os.path.exists(_path(folder, name)):
        return _fail("cannot open '%s': dataset does not exist" % name)
    print(name)
    return 0


def _snapshot(folder, *names):
    for name in names:
        dataset = name.partition('@')[0]
        if not os.path.exists(_path(folder, dataset)):
            return _fail("cannot open '%s': dataset does not exist\n%s"
                         % (dataset, _USAGE), 2)
    behaviour = os.path.join(folder, 'behaviour')
    if os.path.exists(behaviour):
        with open(behaviour) as stream:
            return _fail(stream.read())
    there = [name for name in names if os.path.exists(_path(folder, name))]
    if there:
        return _fail('\n'.join([
            *("cannot create snapshot '%s': dataset already exists" % name
              for name in there), 'no snapshots were created']))
    for name in names:
        open(_path(folder, name), 'x').close()
    return 0


def main(folder, *words):
    with open(os.path.join(folder, 'calls'), 'a') as stream:
        stream.write('\0'.join(words) + '\n')
    verb, *rest = words
    if verb == 'list' and rest[:3] == ['-H', '-o', 'name']:
        return _list(folder, *rest[3:])
    if verb == 'snapshot':
        return _snapshot(folder, *rest)
    if verb == 'get' and rest[:4] == ['-H', '-o', 'value',
                                      'mounted,mountpoint']:
        print('yes\n/' + rest[4])
        return 0
    return _fail('%s is not known here' % ' '.join(words), 2)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
