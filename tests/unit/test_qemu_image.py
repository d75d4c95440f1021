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

"""The exact command line of each operation: formats are named in all."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image

GiB4 = 4 << 30

OPERATIONS = {
    # May write all of the volume, and says nothing meanwhile.
    'create, reserved': (
        image.create_thick('/s/v', 512),
        'qemu-img create -q -f qcow2 -o preallocation=falloc /s/v 512', {}),
    # -d: the overlay is not emptied, so that it can be done again.
    'commit': (
        image.commit('/s/v.a'), 'qemu-img commit -p -d -f qcow2 /s/v.a',
        {'stall_timeout': 1800}),
    # -u: no data are compared, nor is the backing file opened.
    'rebase': (
        image.rebase('/s/v.b', 'v', 'qcow2'),
        'qemu-img rebase -q -u -f qcow2 -b v -F qcow2 /s/v.b',
        {'timeout': 120}),
    # Zeroes are written too.
    'overwrite': (
        image.overwrite('/s/c', 'raw', '/s/v', 'qcow2'),
        'qemu-img convert -p -n -t writeback -f raw -O qcow2 /s/c /s/v',
        {'stall_timeout': 1800}),
    'convert': (
        image.convert('/t/i', 'raw', '/s/v', 'qcow2'),
        'qemu-img convert -p -n --target-is-zero -t writeback -f raw '
        '-O qcow2 /t/i /s/v',
        {'stall_timeout': 1800}),
    # An image from Glance may have other formats than a volume.
    'convert an image': (
        image.convert('/t/i', 'vmdk', '/s/v', 'raw'),
        'qemu-img convert -p -n --target-is-zero -t writeback -f vmdk '
        '-O raw /t/i /s/v',
        {'stall_timeout': 1800}),
    'export': (
        image.export('/s/v', 'raw', '/t/i', 'vmdk'),
        'qemu-img convert -p -f raw -O vmdk /s/v /t/i',
        {'stall_timeout': 1800}),
    'export, compressed': (
        image.export('/s/v', 'qcow2', '/t/i', 'qcow2', compress=True),
        'qemu-img convert -p -f qcow2 -O qcow2 -c /s/v /t/i',
        {'stall_timeout': 1800}),
    'resize': (
        image.resize('/s/v', 'qcow2', 2 << 30),
        'qemu-img resize -q -f qcow2 /s/v 2147483648', {'timeout': 120}),
    'info': (
        image.info('/t/i', 'vmdk'),
        'qemu-img info -f vmdk --output json /t/i', {'timeout': 120}),
}


@pytest.mark.parametrize('operation, line, limits', OPERATIONS.values(),
                         ids=OPERATIONS.keys())
def test_operations(operation, line, limits):
    assert operation.argv == line.split()
    # A hostile image must not eat all memory, nor a child stay for ever.
    assert operation.limits == dict(limits, memory_limit=GiB4)


@pytest.mark.parametrize('call', [
    lambda wrong: image.convert('/t/i', 'raw', '/s/v', wrong),
    lambda wrong: image.export('/s/v', wrong, '/t/i', 'raw'),
    lambda wrong: image.resize('/s/v', wrong, 512),
    lambda wrong: image.rebase('/s/v.a', 'v', wrong),
    lambda wrong: image.overwrite('/s/c', wrong, '/s/v', 'raw'),
    lambda wrong: image.overwrite('/s/c', 'raw', '/s/v', wrong),
])
@pytest.mark.parametrize('wrong', ['', None, 'vmdk', 'luks', 'QCOW2',
                                   'raw,file.filename=/etc/shadow'])
def test_a_volume_is_raw_or_qcow2(call, wrong):
    with pytest.raises(errors.CommandFailed, match='raw, qcow2'):
        call(wrong)


def test_an_operation_runs_when_it_is_told_to():
    calls = []

    def run(argv, **limits):
        calls.append((argv, limits))
        return 'out', 'err'
    operation = command.Operation(['true', 'x'], timeout=3)
    assert calls == []
    assert operation.run(run, progress=print) == ('out', 'err')
    assert calls == [(['true', 'x'], {'timeout': 3, 'progress': print})]
    assert repr(operation) == '<Operation true x>'
