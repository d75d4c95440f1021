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


"""What a clone, and a share that was rolled back, have of a snapshot: all."""

import contextlib
import os
import stat

import pytest

from remotefs_drivers.appliances.testing import files as the_files

#: Of no user of this host. Only root gives files away, and only where the
#: export lets it.
_OWNER = (23451, 23452)


def clone(box, ground, share, snapshot):
    return ground.clone(share, snapshot)


def roll_back(box, ground, share, snapshot):
    box.roll_back(share, snapshot)
    return share


@pytest.fixture(params=[clone, roll_back], ids=['clone', 'roll_back'])
def again(request, box, ground):
    """Called with a share and a snapshot, the share that has its content."""
    return lambda share, snapshot: request.param(box, ground, share, snapshot)


def test_holes_and_what_is_behind_the_data(ground, files, size, again):
    """A new volume is nothing else."""
    share = ground.share()
    _write(files, share, size // 2, b'data')
    _truncate(files, share, size)
    snapshot = ground.snapshot(share)
    _truncate(files, share, 1)
    content = files.read(again(share, snapshot))
    assert len(content) == size, (
        'the file has %d bytes, and had %d' % (len(content), size))
    assert content.strip(b'\0') == b'data'
    assert content.index(b'data') == size // 2


def test_whom_files_belong_to(ground, files, again):
    """The service works as an ordinary user on files of the mode 660."""
    share = ground.share()
    files.write(share, b'content')
    _give(files, share, 0o660)
    before = _owners(files, share)
    snapshot = ground.snapshot(share)
    _change(files, share, 0o600)
    assert _owners(files, again(share, snapshot)) == before


def test_files_of_any_name(ground, files, again):
    """Those to be managed are called as somebody liked."""
    share = ground.share()
    names = ['disk 1.img', the_files.NAME, 'volume-1']
    for name in names:
        _write(files, share, 0, name.encode(), name)
    snapshot = ground.snapshot(share)
    found = again(share, snapshot)
    assert [name for name in files.names(found) if name != 'lost+found'] == (
        names)


def test_nothing_newer(ground, files, again):
    share = ground.share()
    files.write(share, b'content')
    snapshot = ground.snapshot(share)
    _write(files, share, 0, b'content', 'newer')
    assert 'newer' not in files.names(again(share, snapshot))


def _write(files, share, offset, content, name=the_files.NAME):
    with files.opened(share) as path:
        files.write_at(os.path.join(path, name), offset, content)


def _truncate(files, share, size):
    with files.opened(share) as path:
        os.truncate(os.path.join(path, the_files.NAME), size)


def _give(files, share, mode):
    """The file to nobody here, if we may; with a mode."""
    _change(files, share, mode)
    with files.opened(share) as path:
        with contextlib.suppress(PermissionError):
            os.chown(os.path.join(path, the_files.NAME), *_OWNER)


def _change(files, share, mode):
    with files.opened(share) as path:
        os.chmod(os.path.join(path, the_files.NAME), mode)


def _owners(files, share):
    """(user, group, mode) of the root folder, and of the file in it."""
    with files.opened(share) as path:
        found = [os.stat(os.path.join(path, name))
                 for name in ('.', the_files.NAME)]
    return [(each.st_uid, each.st_gid, oct(stat.S_IMODE(each.st_mode)))
            for each in found]
