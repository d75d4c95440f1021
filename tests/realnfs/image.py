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

"""Builds what the machine boots: Debian's cloud kernel and an initramfs.

There is no disk image. The machine's root is the host's own root, seen
through virtiofs and covered by a file system in memory (guest/init), so the
same python, the same virtual environment and the same qemu-img are there
under the same paths. The initramfs brings what a host need not have: the
kernel's modules and the NFS server.
"""

import hashlib
import os
import pathlib
import platform
import shutil
import stat
import tempfile
import typing

from tests.realnfs import cpio
from tests.realnfs import errors
from tests.realnfs import modules
from tests.realnfs import packages

# The kernel's package, by ID of /etc/os-release, and what it depends on.
_KERNELS = {'debian': ('linux-image-cloud-amd64', r'linux-image-\d.*')}
# Here for its lack of libraries: it also runs before there is a root.
_BUSYBOX = 'busybox-static'
# Package -> one of its programs.
_PROGRAMS = {'btrfs-progs': 'mkfs.btrfs', 'nfs-common': 'mount.nfs',
             'nfs-kernel-server': 'rpc.nfsd',
             'openssh-server': 'sshd', 'qemu-utils': 'qemu-img',
             'rpcbind': 'rpcbind', 'sudo': 'sudo', 'xfsprogs': 'mkfs.xfs'}

# To reach the host's tree, and then for all else.
_EARLY = ('virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_rng',
          'virtiofs', 'overlay')
_LATE = ('nfs', 'nfsv3', 'nfsv4', 'nfsd', 'lockd', 'xfs', 'btrfs',
         'crc32c_generic', 'crc32c_intel')

_INIT = pathlib.Path(__file__).with_name('guest') / 'init'
_SOURCES = (_INIT, pathlib.Path(__file__), pathlib.Path(cpio.__file__),
            pathlib.Path(modules.__file__), pathlib.Path(packages.__file__))


class Image(typing.NamedTuple):
    """Paths of what qemu is to boot."""
    kernel: pathlib.Path
    initramfs: pathlib.Path


def cache():
    """The folder that images are kept in, from one run to the next."""
    if 'REALNFS_CACHE' in os.environ:
        return pathlib.Path(os.environ['REALNFS_CACHE'])
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return pathlib.Path(base).expanduser() / 'remotefs-drivers'


def ready(folder):
    """The image from this folder, built if it is not there.

    Two runs may build at once; the first to finish is kept.

    :raises Missing: when it can't be built here
    """
    folder = pathlib.Path(folder)
    done = folder / f'realnfs-{_key()}'
    if not done.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix='.new-') as made:
            _build(pathlib.Path(made))
            _keep(pathlib.Path(made) / 'image', done)
    return Image(done / 'vmlinuz', done / 'initramfs')


def _keep(made, done):
    try:
        os.rename(made, done)
    except OSError:
        if not done.is_dir():
            raise


def _key():
    digest = hashlib.sha256()
    for source in _SOURCES:
        digest.update(source.read_bytes())
    digest.update(repr((sorted(_release().items()), _programs())).encode())
    return digest.hexdigest()[:16]


def _programs():
    """Which of the programs the host has itself."""
    return [bool(shutil.which(program)) for program in _PROGRAMS.values()]


def _release():
    return platform.freedesktop_os_release()


def _build(folder):
    tree, image = folder / 'tree', folder / 'image'
    tree.mkdir()
    image.mkdir()
    packages.unpack(_fetch(folder), tree)
    kernel, = (tree / 'boot').glob('vmlinuz-*')
    shutil.copy(kernel, image / 'vmlinuz')
    with open(image / 'initramfs', 'wb') as stream:
        _write_initramfs(stream, tree, kernel.name.removeprefix('vmlinuz-'))


def _fetch(folder):
    """Packages by the host's lists, or by fresh ones when these fail."""
    try:
        meta, pattern = _KERNELS[_release()['ID']]
    except KeyError as exc:
        raise errors.Missing(
            f'only the kernel packages of {", ".join(_KERNELS)} are known, '
            f'not those of {_release().get("NAME")}') from exc
    apt = packages.Apt(folder)
    try:
        return _fetch_with(apt, meta, pattern)
    except errors.Missing:
        apt.use_fresh_lists()
    return _fetch_with(apt, meta, pattern)


def _fetch_with(apt, meta, pattern):
    kernels = apt.versions_of(meta, pattern)
    return apt.fetch([*kernels, _BUSYBOX], _PROGRAMS)


def _write_initramfs(stream, tree, version):
    kernel = modules.Modules(tree, version)
    archive = cpio.Writer(stream)
    for folder in ('proc', 'sys', 'dev', 'host', 'layers', 'root'):
        archive.entry(folder, stat.S_IFDIR | 0o755)
    archive.entry('init', stat.S_IFREG | 0o755, _INIT.read_bytes())
    archive.path(tree / 'bin/busybox', 'bin/busybox')
    archive.entry('bin/sh', stat.S_IFLNK | 0o777, b'busybox')
    kernel.write(archive, 'lib', _EARLY)
    _write_cover(archive, tree, kernel)
    archive.close()


def _write_cover(archive, tree, kernel):
    """What lies over the host's root; `init` finds it in `extra`."""
    kernel.write(archive, 'extra/' + _as_on_host('lib/'), _EARLY + _LATE)
    shutil.rmtree(tree / 'boot')
    shutil.rmtree(kernel.folder.parent)
    archive.tree(tree, 'extra', _as_on_host)
    # The kernel calls modprobe by this name; a host need not have it.
    archive.entry('extra/' + _as_on_host('sbin/modprobe'),
                  stat.S_IFLNK | 0o777, b'/bin/busybox')


def _as_on_host(name):
    """A name of a package's as the host has it, where /lib may be a link."""
    first, slash, rest = name.partition('/')
    if os.path.islink('/' + first):
        first = os.readlink('/' + first).strip('/')
    return (first + slash + rest).strip('/')
