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
"""What Nova does to the files of a server that is off, by qemu-img.
"""

import os
import subprocess

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import layers

# Seconds; all layers above the new base are copied.
_LIMIT = 600


def rebase(path, format, base):
    """Copy into a file what the layers between it and its new base hold.

    :param path: of the active file
    :param format: of the active file
    :param base: file name of a layer below; None for no base at all
    :raises GuestFailed:
    """
    named = ['-b', '']
    if base:
        named = ['-b', base, '-F', _format_of(base, path, format)]
    run('rebase', '-f', format, *named, path)


def rename_base(path, base, base_format):
    """Write another name of the same base into a header.

    :param path: of a qcow2 file that nobody has open
    """
    run('rebase', '-u', '-f', 'qcow2', '-b', base, '-F', base_format, path)


def run(*arguments):
    """Run qemu-img.

    :raises GuestFailed: with what it says
    """
    done = subprocess.run(['qemu-img', *arguments], cwd='/',
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=_LIMIT)
    if done.returncode:
        raise errors.GuestFailed('qemu-img %s failed.' % ' '.join(arguments),
                                 done.stderr)


def _format_of(name, path, format):
    for layer in layers.read(path, format):
        if os.path.basename(layer.path) == os.path.basename(name):
            return layer.format
    raise errors.GuestFailed('%s is no layer of %s.' % (name, path))
