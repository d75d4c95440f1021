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

"""Starts and stops the virtual machine.

Its processor is emulated (KVM is not everywhere, and hangs in some nested
clouds); REALNFS_ACCEL=kvm asks for the real one. It has no network but its
own loopback, and sees the host's file system read-only.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from tests.realnfs import errors
from tests.realnfs import link

# Seconds until virtiofsd and qemu listen.
_SOCKET_LIMIT = 300

# Debian 12 has it in qemu-system-common, later ones in virtiofsd.
_VIRTIOFSD = ('/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd')
_QEMU = 'qemu-system-x86_64'
_MEMORY = '2048M'
_CONSOLE_LINES = 60

# The kernel's own messages go to the console only when they are errors.
_KERNEL_ARGS = ('console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off '
                'random.trust_cpu=on')


class Machine:
    """One running machine.

    :param image: an image.Image
    :param script: text of the shell script that is run as process 1
    :param disks: size in MiB by serial number; the machine has them in this
        order as /dev/vda, /dev/vdb, ..., empty
    :raises Missing: when the host can't run it
    """

    def __init__(self, image, script, disks):
        check_host()
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._folder = pathlib.Path(self._stack.enter_context(
                tempfile.TemporaryDirectory(prefix='realnfs-')))
            self._start(image, script, disks)
            undo.pop_all()

    def receive(self, user, seconds):
        """The next message of this user's pytest, see link.

        :raises MachineDied: when none comes in this time
        """
        try:
            return self._links[user].receive(seconds)
        except TimeoutError as exc:
            raise self._died(f'no answer in {seconds:.0f} seconds') from exc
        except (EOFError, OSError) as exc:
            raise self._died('it stopped') from exc

    def send(self, user, message):
        try:
            self._links[user].send(message)
        except OSError as exc:
            raise self._died('it stopped') from exc

    def stop(self):
        """End its processes and remove its files; may be called twice."""
        self._stack.close()

    def console(self):
        """The last lines of the machine's console."""
        try:
            text = (self._folder / 'console').read_text(errors='replace')
        except OSError:
            return '(no console)'
        return '\n'.join(text.splitlines()[-_CONSOLE_LINES:])

    def _start(self, image, script, disks):
        (self._folder / 'start').write_text(script)
        self._spawn('virtiofsd', _virtiofsd_command(self._folder))
        self._wait_for('files')
        files = {serial: self._disk_file(mib)
                 for serial, mib in disks.items()}
        self._spawn('qemu', _qemu_command(image, self._folder, files),
                    keep=tuple(files.values()))
        self._links = {user: self._connect(user) for user in link.USERS}

    def _wait_for(self, name):
        """Until virtiofsd has made its socket: qemu does not wait for it."""
        deadline = time.monotonic() + _SOCKET_LIMIT
        while not (self._folder / name).exists():
            if time.monotonic() > deadline:
                raise self._died('virtiofsd did not start')
            time.sleep(0.02)

    def _connect(self, user):
        try:
            end = link.HostEnd(self._folder / user, seconds=_SOCKET_LIMIT)
        except OSError as exc:
            raise self._died('qemu did not start') from exc
        self._stack.callback(end.close)
        return end

    def _disk_file(self, mib):
        """A file without a name: gone with us, even if we are killed."""
        file = self._stack.enter_context(tempfile.TemporaryFile())
        file.truncate(mib << 20)
        return file.fileno()

    def _spawn(self, name, command, keep=()):
        """Start a process that ends with us, even if we are killed."""
        log = self._stack.enter_context(
            open(self._folder / f'{name}.log', 'wb'))
        process = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'KILL', *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, pass_fds=keep)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)

    def _died(self, what):
        logs = ''.join(f'\n--- {name}\n{(self._folder / name).read_text()}'
                       for name in ('virtiofsd.log', 'qemu.log'))
        return errors.MachineDied(
            f'the virtual machine: {what}\n'
            f'--- console\n{self.console()}{logs}')


def check_host():
    """:raises Missing: naming all that the host lacks to run a machine."""
    lacks = []
    if not shutil.which(_QEMU):
        lacks.append(f'{_QEMU} (package qemu-system-x86)')
    if not _virtiofsd():
        lacks.append('virtiofsd (package qemu-system-common or virtiofsd)')
    if not shutil.which('setpriv'):
        lacks.append('setpriv (package util-linux)')
    if os.geteuid():
        lacks.append('root, which virtiofsd needs to show the host\'s files')
    if lacks:
        raise errors.Missing('no virtual machine without '
                             + ', '.join(lacks))


def _virtiofsd():
    return next((path for path in _VIRTIOFSD if os.access(path, os.X_OK)),
                None)


def _virtiofsd_command(folder):
    program = _virtiofsd()
    command = [program, f'--socket-path={folder}/files']
    if 'qemu' in program:
        # The C program of qemu's, with options in fuse's manner.
        return command + ['-o', 'source=/', '-o', 'sandbox=chroot',
                          '-o', 'cache=always', '-o', 'log_level=warn']
    return command + ['--shared-dir=/', '--sandbox=chroot', '--cache=always',
                      '--log-level=warn']


def _qemu_command(image, folder, files):
    return [
        _QEMU, '-accel', _accel(), '-cpu', 'max', '-smp', '2',
        '-machine', 'q35', '-nodefaults', '-no-user-config', '-no-reboot',
        '-display', 'none', '-nic', 'none', '-m', _MEMORY,
        '-object', f'memory-backend-memfd,id=mem,size={_MEMORY},share=on',
        '-numa', 'node,memdev=mem',
        '-serial', f'file:{folder}/console',
        '-device', 'virtio-rng-pci',
        '-chardev', f'socket,id=files,path={folder}/files',
        '-device', 'vhost-user-fs-pci,chardev=files,tag=host,queue-size=1024',
        '-device', 'virtio-serial-pci', *_link_args(folder),
        *_disk_args(files),
        '-kernel', str(image.kernel), '-initrd', str(image.initramfs),
        '-append', f'{_KERNEL_ARGS} realnfs={folder}/start']


def _link_args(folder):
    for user in link.USERS:
        yield from (
            '-chardev', f'socket,id={user},path={folder}/{user},server=on,'
                        'wait=off',
            '-device', f'virtserialport,chardev={user},name={user}')


def _disk_args(files):
    for serial, file in files.items():
        yield from ('-drive', f'file=/proc/self/fd/{file},format=raw,if=none,'
                              f'cache=unsafe,discard=unmap,id={serial}',
                    '-device', f'virtio-blk-pci,drive={serial},'
                               f'serial={serial}')


def _accel():
    wanted = os.environ.get('REALNFS_ACCEL', 'tcg')
    return 'tcg,thread=multi' if wanted == 'tcg' else wanted
