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

"""What is in a volume or an image, byte by byte, by the tools themselves.

A file's format is always the one that the test expects, never guessed.
"""

import hashlib
import os
import struct
import subprocess

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def write(path, file_format, pattern, offset, length):
    """Write a byte over a range, as a guest would."""
    write_all(path, file_format, [(pattern, offset, length)])


def write_all(path, file_format, ranges):
    """The same over some ranges, each (pattern, offset, length)."""
    commands = [part for each in ranges
                for part in ('-c', 'write -P %#x %d %d' % each)]
    _run('qemu-io', '-f', file_format, *commands, path)


def assert_pattern(path, file_format, pattern, offset, length):
    """Assert that a range holds nothing but one byte."""
    out = _run('qemu-io', '-f', file_format, '-c',
               'read -P %#x %d %d' % (pattern, offset, length), path)
    assert 'verification failed' not in out, out


def assert_holds(path, file_format, size_in_bytes, ranges, folder):
    """Assert that a disk holds these ranges, and zeroes elsewhere.

    Compared to a sparse disk that is made for it: holes cost nothing.

    :param ranges: (pattern, offset, length) of each
    """
    expected = os.path.join(str(folder), 'expected.raw')
    with open(expected, 'wb') as stream:
        stream.truncate(size_in_bytes)
        for pattern, offset, length in ranges:
            stream.seek(offset)
            stream.write(bytes([pattern]) * length)
    assert size(path, file_format) == size_in_bytes
    assert_same(path, file_format, expected, 'raw')


def assert_same(path, file_format, other, other_format):
    """Assert that two disks hold the same; the longer one zeroes behind."""
    _run('qemu-img', 'compare', '-f', file_format, '-F', other_format, path,
         other)


def copy(path, file_format, target):
    """A sparse raw copy of a disk."""
    _run('qemu-img', 'convert', '-f', file_format, '-O', 'raw', path, target)


def size(path, file_format):
    """The virtual size of a disk, bytes."""
    out = _run('qemu-img', 'info', '-f', file_format, '--output', 'json',
               path)
    return int(out.split('"virtual-size":')[1].split(',')[0])


def check_qcow2(path):
    """Assert that the tables of a qcow2 file are whole."""
    _run('qemu-img', 'check', '-q', '-f', 'qcow2', path)


def is_qcow2(path):
    with open(path, 'rb') as stream:
        return stream.read(4) == b'QFI\xfb'


def digest(path):
    """The sha256 of a file as it is."""
    total = hashlib.sha256()
    with open(path, 'rb') as stream:
        for chunk in iter(lambda: stream.read(MIB), b''):
            total.update(chunk)
    return total.hexdigest()


def create(path, file_format, length):
    """An empty disk."""
    _run('qemu-img', 'create', '-q', '-f', file_format, path, str(length))


def make_disk(path, file_format, length, seed=1):
    """A disk with something at its beginning, in its middle, at its end."""
    create(path, file_format, length)
    for number, offset in enumerate((0, length // 2, length - 64 * KIB)):
        write(path, file_format, 0x10 * seed + number, offset, 64 * KIB)
    return path


def qcow2_header(size_in_bytes, backing='', data_file=''):
    """The header that a tenant writes to read a host's files.

    A complete, tiny qcow2 image without any data of its own.
    """
    backing = backing.encode()
    backing_at = 512 if backing else 0
    features = 4 if data_file else 0
    header = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 3, backing_at,
                         len(backing), 16, size_in_bytes, 0,
                         -(-size_in_bytes // (512 * MIB)), 3 << 16,
                         1 << 16, 1, 0, 0)
    header += struct.pack('>QQQII', features, 0, 0, 4, 104)
    if data_file:
        name = data_file.encode()
        header += struct.pack('>II', 0x44415441, len(name))
        header += name + bytes(-len(name) % 8)
    header += struct.pack('>II', 0, 0)
    image = bytearray(5 << 16)
    image[:len(header)] = header
    image[backing_at:backing_at + len(backing)] = backing
    image[1 << 16:(1 << 16) + 8] = struct.pack('>Q', 2 << 16)
    refcounts = [1] * 5
    image[2 << 16:(2 << 16) + 10] = struct.pack('>5H', *refcounts)
    return bytes(image)


def vmdk_descriptor(extent):
    """A VMDK that says its data are in another file."""
    return ('# Disk DescriptorFile\nversion=1\nCID=fffffffe\n'
            'parentCID=ffffffff\ncreateType="monolithicFlat"\n\n'
            'RW 2048 FLAT "%s" 0\n\nddb.virtualHWVersion = "4"\n'
            % extent).encode()


#: The beginning of a LUKS device: magic, version, cipher.
LUKS_HEADER = (b'LUKS\xba\xbe\x00\x01aes' + bytes(29) + b'xts-plain64' +
               bytes(21) + b'sha256' + bytes(26))


def put(path, data):
    """Write bytes to the beginning of an existing file."""
    put_at(path, data, 0)


def put_at(path, data, offset):
    """Write bytes to an existing file."""
    with open(path, 'r+b') as stream:
        stream.seek(offset)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    out = done.stdout.decode('utf-8', 'replace')
    assert done.returncode == 0, '%s: %s' % (' '.join(argv), out)
    return out
