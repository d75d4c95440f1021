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

"""What a file from outside is, by the format inspector of oslo.utils.

It starts no process, and knows what is dangerous in each format. For images
from Glance and files that Cinder has not made; the files of a volume are
never asked.
"""

import struct

from oslo_utils.imageutils import format_inspector

from remotefs_drivers.qemu import header

#: What plain bytes may look like: other programs give them a meaning, none
#: of which qemu-img acts on.
RAW = frozenset(['raw', 'gpt', 'iso', 'luks'])

#: The number of the encryption method in a qcow2 header.
_ENCRYPTION = struct.Struct('>I')
_ENCRYPTION_AT = 32


def detect(path):
    """What the content looks like.

    :returns: an inspector of oslo.utils
    :raises ValueError: when it looks like several formats at once
    """
    try:
        return format_inspector.detect_file_format(path)
    except format_inspector.ImageFormatError as error:
        raise ValueError(str(error))


def name_of(inspector):
    """The format, as qemu-img calls it; plain bytes are 'raw'."""
    found = str(inspector)
    return 'raw' if found in RAW else qemu_name(found)


def qemu_name(found):
    """The inspector's name of a format, as qemu-img calls it."""
    return 'vpc' if found == 'vhd' else found


def check_safety(path, inspector):
    """Raise when the content is damaged, or leads to other files.

    :raises ValueError: which names the files, for the operator
    """
    try:
        inspector.safety_check()
    except (format_inspector.SafetyCheckFailed,
            format_inspector.ImageFormatError) as error:
        raise ValueError('%s%s' % (error, _files_named(path)))


def is_encrypted(inspector):
    """Whether a qcow2 file is encrypted."""
    start = bytes(inspector.region('header').data)
    return _ENCRYPTION.unpack_from(start, _ENCRYPTION_AT) != (0,)


def _files_named(path):
    """Which files a qcow2 file names."""
    try:
        found = header.read(path)
    except ValueError as error:
        return ' (%s)' % error
    names = [] if found is None else [
        '%s "%s"' % (what, name)
        for what, name in (('backing file', found.backing_file),
                           ('data file', found.data_file)) if name]
    return ' (it names the %s)' % ' and the '.join(names) if names else ''
