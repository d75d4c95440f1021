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


"""A box: another host, as far as an NFS appliance needs to be one. Root only.

    with box.Box(folder) as appliance:
        appliance.run('zpool', 'list')

It is a mount namespace on this host. Its /etc, /run, /usr/local/sbin and
/var/lib/zfs are its own, so it can have users, sudo rules, exports, pools and
daemons with sockets at fixed paths (zfs-fuse) that no other box and not this
host see. What it mounts below ``path`` is mounted here as well: that is how
hosts of the cloud get at its shares without NFS.

Its exportfs only takes notes, see ``exported``. A process of its own takes
it all down, however the one that made it ended.
"""

import os
import shutil
import subprocess
import sys

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts

# Seconds for one command, and for processes to end after SIGKILL.
_LIMIT = 300
_END = 60

_NAMESPACE = 'namespace'
_PRIVATE, _SHARED = 'private', 'shares'

#: Run in the new namespace, as a shell has it: FOLDER EXPORTFS. What is
#: mounted below FOLDER/shares is seen outside, nothing else is.
_SET_UP = r'''
set -e
findmnt -rn -o FSTYPE,SOURCE,TARGET | while read -r kind source place; do
    place=$(printf %b "$place")
    [ "$place" != "$1/shares" ] || continue
    # Others come and go.
    mount --make-private "$place" 2>/dev/null || continue
    case $1/ in
    "${place%/}"/*) continue ;;
    esac
    # Nothing of this host is kept busy, and zfs-fuse takes that of another
    # box for its own.
    case $kind:$source in
    fuse* | nfs* | *:/dev/loop*) umount -l "$place" || : ;;
    esac
done
mount -t tmpfs box /run
mkdir -p /run/sshd /run/lock /run/box/upper /run/box/work /run/box/sbin
mkdir -p /run/box/zfs
layers=lowerdir=/etc,upperdir=/run/box/upper,workdir=/run/box/work
mount -t overlay -o "$layers" overlay /etc
mkdir -p /etc/exports.d
cp "$2" /run/box/sbin/exportfs
chmod 755 /run/box/sbin/exportfs
mount --bind /run/box/sbin /usr/local/sbin
[ ! -d /var/lib/zfs ] || mount --bind /run/box/zfs /var/lib/zfs
for real in /usr/sbin/exportfs /sbin/exportfs; do
    [ ! -e "$real" ] || mount --bind /run/box/sbin/exportfs "$real"
done
'''

_EXPORTFS = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         'exportfs.sh')


class Box:
    """:param folder: absolute path, made when missing
    :ivar path: where it mounts what it serves
    """

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.path = os.path.join(self.folder, _SHARED)
        self._file = _file_of(self.folder)
        self._watchman = None

    def __enter__(self):
        """:raises NotInstalled, CloudError: when that cannot be"""
        self._watchman = keeper.Watchman(__name__, self.folder)
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        """:raises Withstood: when something of it stays"""
        self._watchman.dismiss()
        shutil.rmtree(self.folder)

    def inside(self, argv):
        """The command that runs another one in it."""
        return ['nsenter', '--mount=%s' % self._file, *argv]

    def run(self, *argv, **options):
        """Run a command in it.

        :returns: what it printed, str
        :raises CloudError: when it fails
        """
        return _run(*self.inside(argv), **options)

    def pids(self):
        """The ids of the processes in it."""
        return _pids(self.folder)

    def exported(self):
        """What exportfs was told: 'client:/path' -> options."""
        notes = self.run('sh', '-c', 'cat /run/exports 2>/dev/null || :')
        return dict(line.split(' ') for line in notes.splitlines())

    def read(self, path):
        """A text file of it."""
        return self.run('cat', path)

    def write(self, path, text, mode='0644'):
        self.run('sh', '-c', 'cat >"$1" && chmod "$2" "$1"', 'sh', path,
                 mode, input=text)

    def _make(self):
        for name in (_PRIVATE, _SHARED):
            path = os.path.join(self.folder, name)
            os.makedirs(path, exist_ok=True)
            _run('mount', '--bind', path, path)
            _run('mount', '--make-%s' % ('private' if name == _PRIVATE
                                         else 'shared'), path)
        with open(self._file, 'w'):
            pass
        _run('unshare', '--mount=%s' % self._file, '--propagation',
             'unchanged', 'sh', '-c', _SET_UP, 'sh', self.folder, _EXPORTFS)


def _run(*argv, **options):
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=_LIMIT, text=True, cwd='/',
            **{'stdin': subprocess.DEVNULL, **options}
            if 'input' not in options else options)
    except FileNotFoundError:
        raise errors.NotInstalled('The program %s is missing.' % argv[0])
    if done.returncode:
        raise errors.CloudError('%s failed.' % ' '.join(argv), done.stdout)
    return done.stdout


def _file_of(folder):
    return os.path.join(folder, _PRIVATE, _NAMESPACE)


def _pids(folder):
    here = os.stat(_file_of(folder))
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            its = os.stat('/proc/%s/ns/mnt' % name)
        except OSError:
            # It has ended.
            continue
        if (its.st_dev, its.st_ino) == (here.st_dev, here.st_ino):
            found.append(int(name))
    return found


def main(folder):
    keeper.wait()
    if not os.path.exists(_file_of(folder)):
        sys.exit(1 if mounts.unmount_below(folder) else 0)
    # First what uses the mounts, or what serves them.
    left = keeper.end_all(lambda: _pids(folder), _END)
    sys.exit(1 if mounts.unmount_below(folder) or left else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
