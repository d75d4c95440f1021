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

"""The mm* programs for filesets and their snapshots."""

import os
import shutil
import stat
import time

from remotefs_drivers.embedded.gpfs import beneath
from remotefs_drivers.embedded.gpfs import calls
from remotefs_drivers.embedded.gpfs import cluster as clusters
from remotefs_drivers.embedded.gpfs import printing


def mmcrfileset(call):
    space = call.options((), ('--inode-space',)).get('--inode-space')
    __, name = call.device(2)
    if name in call.cluster.filesets:
        raise calls.Refused('Fileset %s already exists.' % name)
    path = os.path.join(call.cluster.unlinked, name)
    os.mkdir(path, 0o700)
    calls.own(path, call.caller)
    number = 1 + max(each.id for each in call.cluster.filesets.values())
    made = clusters.Fileset(name, number, os.stat(path).st_ino,
                            space == 'new')
    call.cluster.filesets[name] = made
    return ('Fileset %s created with id %d root inode %d.\n'
            % (name, number, made.ino))


def mmlinkfileset(call):
    junction = call.options((), ('-J',)).get('-J')
    fileset = _fileset(call)
    if junction is None:
        raise calls.Refused('Missing argument: -J')
    if fileset.path is not None:
        raise calls.Refused('Fileset %s is already linked.' % fileset.name)
    path = call.new(junction)
    os.rename(call.cluster.top(fileset), path)
    fileset.path = os.path.relpath(path, call.cluster.root)
    call.cluster.junctions[fileset.ino] = fileset.name
    return 'Fileset %s linked at %s\n' % (fileset.name, junction)


def mmunlinkfileset(call):
    call.options(('-f',))
    fileset = _fileset(call)
    if fileset.path in (None, ''):
        raise calls.Refused('Fileset %s is not linked.' % fileset.name)
    os.rename(call.cluster.top(fileset),
              os.path.join(call.cluster.unlinked, fileset.name))
    del call.cluster.junctions[fileset.ino]
    fileset.path = None
    return 'Fileset %s unlinked.\n' % fileset.name


def mmdelfileset(call):
    options = call.options(('-f',))
    fileset = _fileset(call)
    if fileset.path is not None:
        raise calls.Refused('Fileset %s is still linked.' % fileset.name)
    if fileset.snapshots:
        raise calls.Refused('Fileset %s has snapshots.' % fileset.name)
    top = call.cluster.top(fileset)
    if os.listdir(top) and '-f' not in options:
        raise calls.Refused('Fileset %s is not empty.' % fileset.name)
    _remove(call, top)
    del call.cluster.filesets[fileset.name]
    return 'Fileset %s deleted.\n' % fileset.name


def mmlsfileset(call):
    options = call.options(('-Y',))
    words = call.device(None)
    wanted = words[1:] or list(call.cluster.filesets)
    found = [call.cluster.filesets[name] for name in wanted
             if name in call.cluster.filesets]
    if len(found) < len(wanted):
        raise calls.Refused('Fileset %s does not exist.' % ','.join(
            set(wanted) - set(call.cluster.filesets)), 2)
    if '-Y' not in options:
        return printing.filesets(call.site.device, [
            (each.name, *_link_of(call, each)) for each in found])
    return printing.table('mmlsfileset', [
        (call.site.device, each.name, each.id, each.ino,
         *_link_of(call, each), 0, _now(), '-', '-', '', 'off',
         each.id, 1 if each.independent else 0) for each in found])


def mmcrsnapshot(call):
    fileset, name = _snapshot(call)
    if not fileset.independent:
        raise calls.Refused('Fileset %s is not independent.' % fileset.name)
    if name in fileset.snapshots:
        raise calls.Refused('Snapshot %s already exists.' % name)
    number = 1 + len(fileset.snapshots)
    fileset.snapshots[name] = (number, 'Creating', _now())
    _freeze(call, call.cluster.top(fileset), name)
    fileset.snapshots[name] = (number, 'Valid', _now())
    return 'Snapshot %s created with id %d.\n' % (name, number)


def mmdelsnapshot(call):
    fileset, name = _snapshot(call)
    if name not in fileset.snapshots:
        raise calls.Refused('Snapshot %s was not found.' % name)
    _remove(call, os.path.join(_snapshots_folder(call, fileset), name))
    del fileset.snapshots[name]
    return 'Snapshot %s deleted successfully.\n' % name


def mmlssnapshot(call):
    options = call.options(('-Y',), ('-j',))
    call.device(1)
    found = [(fileset, name, *known)
             for fileset in call.cluster.filesets.values()
             if options.get('-j') in (None, fileset.name)
             for name, known in fileset.snapshots.items()]
    if not found:
        return 'No snapshots in file system %s\n' % call.site.device
    return printing.table('mmlssnapshot', [
        (call.site.device, name, number, status, created, '', 0, 0,
         fileset.name, '')
        for fileset, name, number, status, created in found])


def _fileset(call):
    __, name = call.device(2)
    if name not in call.cluster.filesets:
        raise calls.Refused('Fileset %s does not exist.' % name)
    return call.cluster.filesets[name]


def _link_of(call, fileset):
    if fileset.path is None:
        return 'Unlinked', '--'
    return 'Linked', os.path.normpath(os.path.join(call.host.point,
                                                   fileset.path))


def _snapshot(call):
    """The fileset and the name that an argument says."""
    fileset = call.options((), ('-j',)).get('-j')
    __, name = call.device(2)
    if fileset not in call.cluster.filesets:
        raise calls.Refused('Fileset %s does not exist.' % fileset)
    return call.cluster.filesets[fileset], name


def _snapshots_folder(call, fileset):
    return os.path.join(call.cluster.top(fileset),
                        os.fsdecode(call.cluster.SNAPSHOTS))


def _freeze(call, top, name):
    """Copy what is in a fileset, not in those linked below it."""
    into = os.path.join(top, os.fsdecode(call.cluster.SNAPSHOTS), name)
    os.makedirs(into)
    call.cut_off()
    for folder, folders, names in os.walk(top):
        folders[:] = [each for each in folders if not _is_apart(
            call, os.path.join(folder, each), top)]
        copy = os.path.join(into, os.path.relpath(folder, top))
        os.makedirs(copy, exist_ok=True)
        for each in names:
            path = os.path.join(folder, each)
            if beneath.is_regular(path):
                status = os.stat(path)
                beneath.share_blocks(path, os.path.join(copy, each),
                                     stat.S_IMODE(status.st_mode))
                calls.own(os.path.join(copy, each),
                          (status.st_uid, status.st_gid))


def _is_apart(call, path, top):
    return (os.stat(path, follow_symlinks=False).st_ino in
            call.cluster.junctions or path == os.path.join(
                top, os.fsdecode(call.cluster.SNAPSHOTS)))


def _remove(call, path):
    call.cluster.forget_tree(path)
    shutil.rmtree(path)


def _now():
    return time.strftime('%a %b %e %H:%M:%S %Y')
