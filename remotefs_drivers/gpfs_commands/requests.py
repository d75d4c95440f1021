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

"""What the mm* commands can be asked for: one function for each request.

Each returns the program with its arguments. Pure, and the one place where a
value becomes a word on root's command line: what is no path, name or number
of the expected form is refused here, and where root runs it this is done
again on root's side (a request travels by its name in ``ALL``).

Options and forms are those of IBM's "Command and Programming Reference".
"""

import dataclasses
import re
from typing import Optional

from remotefs_drivers import errors

#: A path that ends no line of an output, and is no option.
_PATH = re.compile(r'/[^\0-\x1f\x7f]*')
#: File systems, pools, filesets, snapshots. A comma or a colon would make
#: two of one.
_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}')
_DEVICE = re.compile(r'(/dev/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}')
#: "1", "1,0,1" or the same in ranges and lists of ranges: 1,1,1:2;2,1,1.
_FAILURE_GROUP = re.compile(r'[0-9]+([-:,;][0-9]+){0,31}')


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Attributes of a file; what is None stays as it is.

    :ivar pool: name of the storage pool
    :ivar replicas: of data and metadata, 1 to 3
    :ivar dio: whether direct I/O is advised: True, False, 'yes' or 'no'
    :ivar write_affinity_depth: 0 to 2
    :ivar block_group_factor: 1 or more
    :ivar write_affinity_failure_group: up to three failure groups, as
                                        mmchattr has them
    """

    pool: Optional[str] = None
    replicas: Optional[int] = None
    dio: Optional[bool] = None
    write_affinity_depth: Optional[int] = None
    block_group_factor: Optional[int] = None
    write_affinity_failure_group: Optional[str] = None


def state():
    return ['mmgetstate', '-Y']


def configured(parameter):
    """:param parameter: clusterId or minreleaseLeveldaemon, for example"""
    return ['mmlsconfig', _name(parameter), '-Y']


def version(device):
    return ['mmlsfs', _device(device), '-V', '-Y']


def encryption(device):
    return ['mmlsfs', _device(device), '--encryption', '-Y']


def pool(device, name):
    return ['mmlspool', _device(device), _name(name)]


def pools(device):
    return ['mmlspool', _device(device), 'all']


def attributes(path):
    return ['mmlsattr', '-L', _path(path)]


def change_attributes(path, wanted):
    """:param wanted: dict of Wanted"""
    argv = ['mmchattr']
    for field in dataclasses.fields(Wanted):
        value = wanted.get(field.name)
        if value is not None:
            argv += _ATTRIBUTES[field.name](value)
    if len(argv) == 1 or set(wanted) - set(_ATTRIBUTES):
        raise _refused('attributes', sorted(wanted), 'some of %s'
                       % ', '.join(_ATTRIBUTES))
    return argv + [_path(path)]


def clone_snap(source, parent=None):
    """The parent is a new file; without it the source becomes one itself."""
    argv = ['mmclone', 'snap', _path(source)]
    return argv if parent is None else argv + [_path(parent)]


def clone_copy(parent, destination):
    return ['mmclone', 'copy', _path(parent), _path(destination)]


def clone_redirect(path):
    return ['mmclone', 'redirect', _path(path)]


def clone_split(path):
    return ['mmclone', 'split', _path(path)]


def clone_show(path):
    return ['mmclone', 'show', _path(path)]


def fileset(device, name):
    return ['mmlsfileset', _device(device), _name(name), '-Y']


def create_fileset(device, name, inode_space_new=True):
    argv = ['mmcrfileset', _device(device), _name(name)]
    return argv + (['--inode-space', 'new'] if inode_space_new else [])


def link_fileset(device, name, path):
    return ['mmlinkfileset', _device(device), _name(name), '-J', _path(path)]


def unlink_fileset(device, name):
    """Whoever has files open there loses them."""
    return ['mmunlinkfileset', _device(device), _name(name), '-f']


def delete_fileset(device, name):
    """With all that is in it."""
    return ['mmdelfileset', _device(device), _name(name), '-f']


def create_snapshot(device, fileset, name):
    return ['mmcrsnapshot', _device(device), _name(name),
            '-j', _name(fileset)]


def delete_snapshot(device, fileset, name):
    return ['mmdelsnapshot', _device(device), _name(name),
            '-j', _name(fileset)]


def snapshots(device, fileset):
    return ['mmlssnapshot', _device(device), '-j', _name(fileset), '-Y']


#: What root does for the service: name -> function of this module.
ALL = {function.__name__: function for function in (
    state, configured, version, encryption, pool, pools, attributes,
    change_attributes, clone_snap, clone_copy, clone_redirect, clone_split,
    clone_show, fileset, create_fileset, link_fileset, unlink_fileset,
    delete_fileset, create_snapshot, delete_snapshot, snapshots)}


def argv(request, arguments):
    """The command line of a request, by its name.

    :param arguments: positional ones, of plain types
    :raises GpfsRequestInvalid: for what is not to be on a command line
    """
    try:
        function = ALL[request]
    except (KeyError, TypeError):
        raise _refused('request', request, 'one of %s' % ', '.join(ALL))
    return function(*arguments)


def _pool(value):
    return ['-P', _name(value)]


def _replicas(value):
    # mmchattr: as many copies of data as of metadata, in-tree drivers too.
    number = _number('replicas', value, 1, 3)
    return ['-m', number, '-r', number]


def _dio(value):
    said = {'True': 'yes', 'False': 'no'}.get(repr(value), value)
    if said not in ('yes', 'no'):
        raise _refused('dio', value, 'yes or no')
    return ['-D', said]


def _write_affinity_depth(value):
    return ['--write-affinity-depth',
            _number('write_affinity_depth', value, 0, 2)]


def _block_group_factor(value):
    return ['--block-group-factor',
            _number('block_group_factor', value, 1, 1 << 20)]


def _write_affinity_failure_group(value):
    if (not isinstance(value, str) or len(value) > 255 or
            not _FAILURE_GROUP.fullmatch(value)):
        raise _refused('write_affinity_failure_group', value,
                       'failure groups as "1,0,1"')
    return ['--write-affinity-failure-group', value]


_ATTRIBUTES = {
    'pool': _pool, 'replicas': _replicas, 'dio': _dio,
    'write_affinity_depth': _write_affinity_depth,
    'block_group_factor': _block_group_factor,
    'write_affinity_failure_group': _write_affinity_failure_group}


def _number(what, value, least, most):
    # Metadata are text. int() also takes " 1", "1_0" and other digits.
    text = str(value)
    if (isinstance(value, bool) or not re.fullmatch('[0-9]{1,9}', text) or
            not least <= int(text) <= most):
        raise _refused(what, value, 'a number from %d to %d' % (least, most))
    return str(int(text))


def _path(value):
    return _checked(_PATH, 'path', value, 'an absolute one without control '
                    'characters')


def _name(value):
    return _checked(_NAME, 'name', value, 'letters, digits, "_", "." and "-"')


def _device(value):
    return _checked(_DEVICE, 'file system', value, 'its name, as "gpfs0"')


def _checked(form, what, value, expected):
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _refused(what, value, expected)
    return value


def _refused(what, value, expected):
    return errors.GpfsRequestInvalid(what=what, value=repr(value),
                                     expected=expected)
