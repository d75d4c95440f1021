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

"""What we write ourselves is what qemu-img would have written."""

import json
import os
import subprocess

import pytest

from remotefs_drivers.store import layers

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CLUSTER = 64 * KIB


@pytest.fixture(params=[None, 'raw', 'qcow2'])
def base(request, tmp_path):
    """(name, format) of the file below, () when there is none."""
    if request.param is None:
        return ()
    _run('qemu-img', 'create', '-q', '-f', request.param,
         str(tmp_path / 'base'), str(512))
    return 'base', request.param


@pytest.fixture
def make(tmp_path, base):
    def _make(size):
        """The paths of the same file, made by us and by qemu-img."""
        ours, theirs = str(tmp_path / 'ours'), str(tmp_path / 'theirs')
        if base:
            layers.create_overlay(ours, *base, size, 0o600)
        else:
            open(ours, 'xb').close()
            layers.lay_out(ours, size)
        named = ['-u', '-b', base[0], '-F', base[1]] if base else []
        _run('qemu-img', 'create', '-q', '-f', 'qcow2', *named, theirs,
             str(size))
        return ours, theirs
    return _make


# An entry of the L1 table is 512 MiB; a cluster of them 4 TiB.
@pytest.mark.parametrize('size', [
    1, 512, 513, 512 * MIB, 512 * MIB + 512, GIB, 100 * GIB, 4096 * GIB,
    4096 * GIB + 512, 2 << 50])
def test_it_is_the_same_file(make, size):
    ours, theirs = make(size)
    assert os.path.getsize(ours) == os.path.getsize(theirs)
    with open(ours, 'rb') as one, open(theirs, 'rb') as other:
        begin, expected = one.read(CLUSTER), other.read(CLUSTER)
        assert one.read() == other.read()
    # The place of the backing file's name differs: theirs comes after the
    # names of the feature bits.
    assert begin[:8] + begin[16:112] == expected[:8] + expected[16:112]
    assert _info(ours) == _info(theirs)
    _run('qemu-img', 'check', '-q', '-f', 'qcow2', ours)


def test_it_holds_what_is_written(make):
    ours, theirs = make(3 * GIB)
    for path in ours, theirs:
        for place in (0, 512 * MIB - 4 * KIB, 3 * GIB - 8 * KIB):
            _run('qemu-io', '-f', 'qcow2', '-c',
                 'write -q -P 7 %d 8k' % place, path)
    _run('qemu-img', 'check', '-q', '-f', 'qcow2', ours)
    _run('qemu-img', 'compare', '-q', '-f', 'qcow2', '-F', 'qcow2', ours,
         theirs)


def _info(path):
    found = json.loads(_run('qemu-img', 'info', '-f', 'qcow2', '--output',
                            'json', path))
    # Holes are ours alone.
    for name in ('filename', 'actual-size', 'children'):
        found.pop(name, None)
    return found


def _run(*argv):
    return subprocess.run(argv, check=True, timeout=600,
                          stdout=subprocess.PIPE).stdout
