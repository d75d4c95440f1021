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

"""Files on a share that Cinder does not know: may they become volumes?

Anybody may have written them, so nothing about them is trusted: what they
are is found out by looking at them, without following any link, and what
cannot be taken comes with the reason. A file that has overlays is judged
together with them.

Like survey it blocks, and returns plain values only, so that root can do it
as well.
"""

import collections
import contextlib
import errno
import os
import stat

from oslo_utils import units

from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.qemu import header
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import inspection
from remotefs_drivers.store import files
from remotefs_drivers.store import survey

#: What was found, a tuple of plain values.
#:
#: there    whether there is anything of this name, or a table of it
#: format   'raw' or 'qcow2', of the base, None when it cannot be said
#: active   the same, of the active file
#: size     virtual size, bytes; 0 when it cannot be said
#: problem  why it cannot be managed, None when it can
#: layers   names of the files from the active one down; None for a single
#:          file that has no table and no journal
#: overlays names of all overlays that may belong to it
Found = collections.namedtuple('Found', 'there format active size problem '
                                        'layers overlays')


class _Refused(Exception):
    """Says why."""


def names_on(folder):
    """The names of all that is on a share, but of no folders."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries
                if not entry.is_dir(follow_symlinks=False)]


def judge(folder, wanted, said, legacy, own):
    """Look at some files.

    :param wanted: names of files, each for itself or the base of a chain
    :param said: the format that the operator says they have, or None
    :param legacy: that of a base, where nothing else says it, or None
    :param own: a name that they may have as well, see files.rename_new
    :returns: a Found, as a tuple, for each
    """
    kin = collections.defaultdict(list)
    for name in os.listdir(folder):
        kin[name.rpartition('.')[0]].append(name)
    return [tuple(_judge(folder, name, sorted(kin[name]), said, legacy, own))
            for name in wanted]


def _judge(folder, name, kin, said, legacy, own):
    overlays = tuple(each for each in kin if model.is_layer(name, each) and
                     _is_overlay(folder, each, (name, *kin)))
    with_table = [each for each in (names.snapshot_table(name),
                                    names.journal(name)) if each in kin]
    there = bool(with_table) or os.path.lexists(os.path.join(folder, name))
    nothing = Found(there, None, None, 0, None, None, overlays)
    try:
        if not there:
            raise _Refused('there is nothing of that name')
        if with_table:
            return _judge_chain(nothing, folder, name, said, legacy)
        if overlays:
            raise _Refused('%s would be lost, for which it is the backing '
                           'file: there is no %s, the table of snapshots '
                           'that tells how they belong together'
                           % (', '.join(overlays),
                              names.snapshot_table(name)))
        path = os.path.join(folder, name)
        file_format, size = _judge_file(path, said, own and
                                        os.path.join(folder, own))
        return nothing._replace(format=file_format, active=file_format,
                                size=size)
    except (_Refused, errors.InfoInvalid, errors.LayerInvalid,
            OSError) as error:
        return nothing._replace(problem=str(error))


def _is_overlay(folder, name, family):
    """Whether a file says that one of its family is its backing file."""
    try:
        files.size_of(os.path.join(folder, name))
        found = header.read(os.path.join(folder, name))
    except (OSError, ValueError):
        return False
    return (found is not None and found.backing_file is not None and
            os.path.basename(found.backing_file) in family)


def _judge_chain(found, folder, base, said, legacy):
    __, __, layers = survey.look(folder, base, (said, None, legacy))
    found = found._replace(layers=tuple(layer[0] for layer in layers))
    if found.layers == (base,):
        # No overlay says what it is.
        file_format, size = _judge_file(os.path.join(folder, base), said)
        return found._replace(format=file_format, active=file_format,
                              size=size)
    judged = [_judge_layer(folder, found.layers, index, layer[1])
              for index, layer in enumerate(layers)]
    if said is not None and said != judged[-1][0]:
        raise _Refused('its overlays say that %s is %s'
                       % (found.layers[-1], judged[-1][0]))
    return found._replace(format=judged[-1][0], active=judged[0][0],
                          size=judged[0][1])


def _judge_layer(folder, layers, index, file_format):
    name = layers[index]
    if file_format is None:
        raise _Refused('%s does not say which format its backing file %s '
                       'has: give the source-format'
                       % (layers[index - 1], name))
    try:
        return _judge_file(os.path.join(folder, name), file_format,
                           is_overlay=index < len(layers) - 1)
    except _Refused as error:
        raise _Refused('%s: %s' % (name, error))


def _judge_file(path, said, own=None, is_overlay=False):
    """(format, virtual size in bytes) of a file.

    :param said: its format, where it is known; plain bytes may look like
                 anything then
    :param own: a path that is the same file and does not count
    :raises _Refused: when it cannot be a volume, or part of one
    """
    with _opened(path) as (descriptor, status):
        links = files.links_of(descriptor) - (own is not None and
                                              files.is_same(path, own))
        if links > 1:
            raise _Refused('it has %d names (hard links), so that others '
                           'would write to it as well: copy it, or remove '
                           'the other names' % links)
        # The very file that is open, whatever becomes of its name.
        open_one = '/proc/self/fd/%d' % descriptor
        if not os.access(open_one, os.R_OK | os.W_OK):
            raise _Refused('it cannot be read and written: give it to the '
                           'user of cinder-volume')
        if said == 'raw':
            return said, _not_empty(status.st_size)
        try:
            return _inspected(open_one, path, status.st_size, said,
                              is_overlay)
        except ValueError as error:
            raise _Refused(str(error))


def _inspected(open_one, path, size, said, is_overlay):
    inspector = inspection.detect(open_one)
    file_format = inspection.name_of(inspector)
    if said is not None and file_format != said:
        raise _Refused('it should be %s, and its content is %s'
                       % (said, file_format))
    if file_format == 'raw':
        return file_format, _not_empty(size)
    if file_format not in image.FORMATS:
        raise _Refused('its content is %s, expected raw or qcow2: convert '
                       'it, or, if a guest wrote that into a raw volume, '
                       'give the source-format raw' % file_format)
    if not is_overlay:
        # Of an overlay, survey has looked at what it names.
        inspection.check_safety(path, inspector)
    if inspection.is_encrypted(inspector):
        raise _Refused('it is encrypted, which this driver does not support')
    if said is None and size and size % units.Gi == 0:
        raise _Refused('its content is qcow2, and it has whole GiB as raw '
                       'volumes have, into which guests write what they '
                       'like: give the source-format, qcow2 or raw')
    return file_format, _not_empty(inspector.virtual_size)


def _not_empty(size):
    if not size:
        raise _Refused('it is empty')
    return size


@contextlib.contextmanager
def _opened(path):
    """(descriptor, status) of a regular file, opened for reading."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW |
                             os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _Refused('it is a symbolic link')
        raise _Refused('it cannot be opened: %s' % error.strerror)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused('it is not a regular file')
        yield descriptor, status
    finally:
        os.close(descriptor)
