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

"""What lies on a share for a volume: read in one go, judged by nobody.

Blocks, works on absolute paths, follows no symbolic links, and returns plain
values only, so that root can do it as well (see privileged).
"""

import contextlib
import errno
import os
import stat

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.qemu import header
from remotefs_drivers.store import files

#: Bytes; a table of a thousand snapshots has a tenth of that.
_LONGEST_TEXT = 1 << 20


def look(folder, base, recorded):
    """What lies there for a volume.

    :param base: the name of the volume's base
    :param recorded: the fields of model.Recorded, a tuple
    :returns: (the text of the table or None, the text of the journal or
              None, the layers from the active one down, each as a tuple:
              name, format or None, size of the file, qemu.header.Header as a
              tuple or None)
    :raises OSError: for a file that is missing or not a regular one
    :raises InfoInvalid, LayerInvalid: when something is not as it should be
    """
    files.refresh(folder)
    text = table(folder, base)
    waiting = journal(folder, base)
    active = base
    if text is not None:
        active = chain_info.loads(text, base, os.path.join(
            folder, names.snapshot_table(base))).active
    layers = list(_walk(folder, base, active, model.Recorded(*recorded)))
    return text, waiting, layers


def table(folder, base):
    """The text of the table of snapshots, or None when there is none."""
    return _text(os.path.join(folder, names.snapshot_table(base)))


def journal(folder, base):
    """The text of the journal, or None when there is none."""
    return _text(os.path.join(folder, names.journal(base)))


def names_of(folder, base):
    """The names of all files of a volume, besides its base; a list.

    Reads the whole folder, which takes its time on a full share.
    """
    return [name for name in os.listdir(folder)
            if name != base and _belongs(base, name)]


def _belongs(base, name):
    others = (names.snapshot_table(base), names.journal(base),
              *names.all_temporary(base))
    return model.is_layer(base, name) or name in others


def _walk(folder, base, name, recorded):
    """The layers from the active one down."""
    seen = []
    said, above = None, None
    while name is not None:
        path = os.path.join(folder, name)
        if name in seen:
            raise errors.LayerInvalid(
                path=path, reason='it is its own backing file, by way of %s'
                                  % ', '.join(seen))
        seen.append(name)
        is_overlay = name != base
        file_format = recorded.of_lowest(base, name, said,
                                         above is not None)
        with _explained(path, above):
            if file_format == 'qcow2':
                size, found = _size_and_header(path)
                _check(path, found, may_have_backing=is_overlay)
            else:
                size, found = files.size_of(path), None
        yield (name, file_format, size,
               None if found is None else tuple(found))
        above = path
        said = None if found is None else found.backing_format
        name = _backing(path, base, found)


@contextlib.contextmanager
def _explained(path, above):
    try:
        yield
    except FileNotFoundError:
        if above is None:
            raise
        raise errors.LayerInvalid(
            path=above, reason='its backing file %s is missing' % path)


def header_of(path):
    """The qemu.header.Header of an overlay, or of a qcow2 base.

    :raises LayerInvalid: when it is no qcow2 file
    """
    return _size_and_header(path)[1]


def _size_and_header(path):
    """By one way to the file: each may be a round trip, for each layer."""
    try:
        with files.opened_and_seen(path, os.O_RDONLY) as (descriptor, status):
            found = header.read_open(descriptor, path)
    except ValueError as error:
        raise errors.LayerInvalid(path=path, reason=error)
    if found is None:
        raise errors.LayerInvalid(path=path,
                                  reason='it is not a qcow2 file, as it '
                                         'should be')
    return status.st_size, found


def _check(path, found, may_have_backing):
    if found.data_file is not None:
        raise errors.LayerInvalid(
            path=path, reason='it names an external data file, "%s"'
                              % found.data_file)
    if found.backing_file is not None and not may_have_backing:
        raise errors.LayerInvalid(
            path=path, reason='it is the base of a volume and names a '
                              'backing file, "%s"' % found.backing_file)


def _backing(path, base, found):
    """The name of the layer below, whatever folder the header says."""
    if found is None or found.backing_file is None:
        return None
    name = os.path.basename(found.backing_file)
    if not model.is_layer(base, name):
        raise errors.LayerInvalid(
            path=path, reason='its backing file "%s" is not a file of this '
                              'volume' % found.backing_file)
    return name


def _text(path):
    """The text of a small file, or None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW |
                             os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise errors.LayerInvalid(path=path,
                                      reason='it is a symbolic link')
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise errors.LayerInvalid(path=path,
                                      reason='it is not a regular file')
        with open(descriptor, 'rb', closefd=False) as stream:
            text = stream.read(_LONGEST_TEXT + 1)
    finally:
        os.close(descriptor)
    if len(text) > _LONGEST_TEXT:
        raise errors.LayerInvalid(path=path, reason='it has more than %d '
                                                    'bytes' % _LONGEST_TEXT)
    try:
        return text.decode('utf-8')
    except UnicodeDecodeError as error:
        raise errors.LayerInvalid(path=path, reason=error)
