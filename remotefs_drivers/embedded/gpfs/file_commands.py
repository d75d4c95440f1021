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

"""The mm* programs for single files: attributes and clones."""

import errno
import os
import stat

from remotefs_drivers.embedded.gpfs import beneath
from remotefs_drivers.embedded.gpfs import calls
from remotefs_drivers.embedded.gpfs import cluster as clusters
from remotefs_drivers.embedded.gpfs import printing

#: mmchattr's options, and what is remembered of each.
_ATTRIBUTES = {'-P': 'pool', '-r': 'replicas', '-m': 'replicas', '-D': 'dio',
               '--write-affinity-depth': 'write_affinity_depth',
               '--block-group-factor': 'block_group_factor',
               '--write-affinity-failure-group':
               'write_affinity_failure_group'}


def mmlsattr(call):
    options = call.options(('-L',))
    given, = call.words(1)
    path = call.path(given)
    snapshot = call.cluster.snapshot_of(path)
    return printing.attributes(
        given, call.cluster.file(path),
        call.cluster.fileset_of(path).name,
        snapshot[1] if snapshot else '', os.path.isdir(path),
        '-L' in options)


def mmchattr(call):
    given = call.options((), tuple(_ATTRIBUTES))
    path = call.path(*call.words(1))
    wanted = {_ATTRIBUTES[name]: value for name, value in given.items()}
    if not wanted:
        raise calls.Refused('Incorrect option.')
    if wanted.get('pool', clusters.POOL) not in call.cluster.pools:
        raise calls.Refused('Storage pool %s was not found.' % wanted['pool'])
    file = call.cluster.file(path)
    file.pool = wanted.pop('pool', file.pool)
    file.attributes.update(wanted)
    return ''


def mmclone(call):
    verb, *names = call.words(None) or ['']
    least, most, function = {
        'snap': (1, 2, _snap), 'copy': (2, 2, _copy),
        'redirect': (1, 1, _redirect), 'split': (1, 1, _split),
        'show': (1, len(names), _show)}.get(verb, (0, 0, None))
    if function is None:
        raise calls.Refused('Incorrect keyword: %s' % verb)
    if not least <= len(names) <= most:
        raise calls.Refused('Incorrect number of arguments.')
    return function(call, *names)


def _snap(call, source, parent=None):
    path = call.regular(source)
    file = call.cluster.file(path)
    if call.cluster.snapshot_of(path):
        raise calls.refused(errno.EROFS)
    if file.is_parent:
        raise calls.Refused('%s is a clone parent.' % source)
    if parent is None:
        _turn(call, path, file, source)
        return ''
    target = call.new(parent, path)
    status = os.stat(path)
    beneath.share_blocks(path, target, stat.S_IMODE(status.st_mode))
    # IBM's "File clones and disk space management" says whose it is.
    calls.own(target, call.caller)
    call.cut_off()
    call.cluster.insert(path, target)
    return ''


def _turn(call, path, file, source):
    """Make a file a clone parent itself."""
    if os.stat(path).st_nlink > 1:
        raise calls.Refused('%s has more than one link.' % source)
    if call.cluster.is_written(path):
        raise calls.refused(errno.EBUSY)
    file.is_parent = True
    file.depth = file.depth or 0


def _copy(call, parent, destination):
    path = call.regular(parent)
    if not (call.cluster.file(path).is_parent or
            call.cluster.snapshot_of(path)):
        raise calls.Refused('%s is not a clone parent.' % parent)
    target = call.new(destination, path)
    if call.half:
        open(target, 'xb').close()
        call.cut_off()
    beneath.share_blocks(path, target,
                         stat.S_IMODE(os.stat(path).st_mode))
    calls.own(target, call.caller)
    call.cluster.add_child(target, path)
    return ''


def _redirect(call, given):
    call.cluster.move_up(_child(call, given), above=True)
    return ''


def _split(call, given):
    call.cluster.move_up(_child(call, given), above=False)
    return ''


def _child(call, given):
    path = call.regular(given)
    if not call.cluster.file(path).is_child:
        raise calls.Refused('%s is not a clone.' % given)
    return path


def _show(call, *given):
    return printing.clones([
        (call.cluster.file(call.regular(each)), each)
        for each in given])
