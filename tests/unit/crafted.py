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

"""Tiny image files, as a tenant may craft them. Bytes, nothing else."""

import struct

#: From the specification of each format.
_DATA_FILE = 0x44415441
_BACKING_FORMAT = 0xE2792ACA
_END_OF_STREAM = struct.pack('<QII496s', 0, 0, 0, b'')


def qcow2(version=3, size=1 << 20, backing=None, data=None, features=None,
          backing_at=None, length=None, before=(), backing_format=None):
    """The first bytes of a qcow2 file.

    :param backing: name of a backing file, str or bytes
    :param data: name of an external data file
    :param features: incompatible ones; those that ``data`` needs if None
    :param backing_at: what the header says of where the name is
    :param length: what the header says of its own length
    :param before: other extensions: (type, data)
    :param backing_format: what it says that the backing file is
    """
    names = [name.encode() if isinstance(name, str) else name
             for name in (backing, data)]
    if features is None:
        features = 4 if data is not None else 0
    extensions = b''.join(_extension(*each) for each in before)
    if backing_format is not None:
        extensions += _extension(_BACKING_FORMAT, backing_format.encode())
    if data is not None:
        extensions += _extension(_DATA_FILE, names[1])
    extensions += _extension(0, b'')
    start = 72 if version == 2 else 104
    where = start + len(extensions) if backing_at is None else backing_at
    fixed = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', version,
                        0 if backing is None else where,
                        len(names[0] or b''), 16, size, 0, 1, 0x30000,
                        0x10000, 1, 0, 0)
    if version != 2:
        fixed += struct.pack('>QQQII', features, 0, 0, 4,
                             104 if length is None else length)
    return fixed + extensions + (names[0] or b'')


def _extension(kind, data):
    padding = -len(data) % 8
    return struct.pack('>II', kind, len(data)) + data + bytes(padding)


def padded(data, size=4096):
    """Followed by zeroes, so that there is something to inspect."""
    return data + bytes(max(size - len(data), 0))


def vmdk(descriptor, kind='monolithicSparse', extents=None):
    """A sparse VMDK of one grain, which is not there.

    :param descriptor: more lines of it
    :param extents: lines that name files; the file itself if None
    """
    if extents is None:
        extents = ['RW 2048 SPARSE "disk.vmdk"']
    lines = ['# Disk DescriptorFile', 'version=1', 'CID=fffffffe',
             'parentCID=ffffffff', 'createType="%s"' % kind, *extents,
             *descriptor, '']
    text = '\n'.join(lines).encode()
    header = struct.pack('<4sIIQQQQIQQQ', b'KDMV', 1, 3, 2048, 128, 1, 20,
                         512, 21, 26, 128)
    return padded(padded(header, 512) + text, 65536)


def luks(version=1):
    """The header of an encrypted disk."""
    return padded(struct.pack('>6sH32s32s32sII20s32sI', b'LUKS\xba\xbe',
                              version, b'aes', b'xts-plain64', b'sha256',
                              4096, 64, b'', b'', 1000), 8192)


def mbr(partition=0x83, boot=0x80):
    """A boot sector with a partition table of one entry."""
    entry = struct.pack('<B3BB3BII', boot, 0, 2, 0, partition, 0, 0, 0, 1,
                        2047)
    return padded(bytes(446) + entry + bytes(48) + b'\x55\xaa', 65536)


def gpt():
    """The protective boot sector of a GPT disk."""
    return mbr(partition=0xee, boot=0)


def vdi():
    """An image of VirtualBox, its header only."""
    header = bytearray(512)
    header[:40] = b'<<< Oracle VM VirtualBox Disk Image >>>\n'
    struct.pack_into('<IIIII', header, 64, 0xbeda107f, 0x10001, 400, 1, 0)
    struct.pack_into('<Q', header, 368, 1 << 20)
    return padded(bytes(header))


def qed(backing=False):
    """An image of QEMU's old format."""
    header = struct.pack('<4sIIIQQQQQII', b'QED\0', 65536, 4, 1,
                         1 if backing else 0, 0, 0, 65536, 1 << 20, 72, 4)
    return padded(header + b'base')


def iso():
    """A CD image with nothing on it."""
    return padded(bytes(32768) + b'\x01CD001\x01', 65536)
