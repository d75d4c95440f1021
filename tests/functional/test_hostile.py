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

"""What a tenant writes is data: in volumes plain bytes, in images suspect.

A secret file on the host stands for /etc/shadow: its bytes must turn up
nowhere. CVE-2014-3641, CVE-2015-1851, CVE-2022-47951, CVE-2024-32498.
"""

import os

import pytest

from tests.functional import content

pytestmark = pytest.mark.pairs

SECRET = b'the secret of the host '
HEADERS = ['qcow2 backing file', 'qcow2 data file', 'vmdk', 'luks']


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / 'secret'
    path.write_bytes(SECRET * 4096)
    # Who serves volumes may read it, as root may read /etc/shadow.
    path.chmod(0o644)
    return str(path)


def _header(kind, path):
    return {
        'qcow2 backing file': content.qcow2_header(content.GIB, path),
        'qcow2 data file': content.qcow2_header(content.GIB,
                                                data_file=path),
        'vmdk': content.vmdk_descriptor(path),
        'luks': content.LUKS_HEADER,
    }[kind]


def _assert_no_secret(path):
    with open(path, 'rb') as stream:
        for chunk in iter(lambda: stream.read(16 * content.MIB), b''):
            assert SECRET not in chunk


def test_the_headers_would_work(secret, tmp_path):
    """A header that qemu-img does not fall for would prove nothing."""
    for kind in ('qcow2 backing file', 'vmdk'):
        hostile = tmp_path / 'hostile'
        hostile.write_bytes(_header(kind, secret))
        leaked = str(tmp_path / 'leaked')
        # A format is guessed here, as a driver must not.
        content._run('qemu-img', 'convert', '-O', 'raw', str(hostile),
                     leaked)
        with open(leaked, 'rb') as stream:
            assert SECRET in stream.read()


@pytest.mark.turns
@pytest.mark.parametrize('kind', HEADERS)
def test_a_header_in_a_raw_volume_is_data(user, secret, kind):
    volume = user.create('raw')
    path = user.path(volume)
    header = _header(kind, secret)
    content.put(path, header)

    def assert_is_the_same(other, size):
        assert os.path.getsize(other) == size
        content.assert_same(path, 'raw', other, 'raw')
        with open(other, 'rb') as stream:
            assert stream.read(len(header)) == header

    clone = user.create('raw', 1, source_volid=volume.id)
    assert_is_the_same(user.path(clone), content.GIB)
    larger = user.create('raw', 2, source_volid=volume.id)
    assert_is_the_same(user.path(larger), 2 * content.GIB)
    user.extend(clone, 2)
    assert_is_the_same(user.path(clone), 2 * content.GIB)

    download = user.upload(volume, 'qcow2')
    content.assert_same(path, 'raw', download, 'qcow2')
    _assert_no_secret(download)

    with user.attached(volume) as connection:
        assert connection['format'] == 'raw'

    user.delete(volume, larger, clone)


@pytest.mark.turns
@pytest.mark.parametrize('kind', HEADERS)
def test_a_header_is_data_when_it_moves(moving_user, secret, kind):
    user = moving_user
    volume = user.create('raw')
    header = _header(kind, secret)
    content.put(user.path(volume), header)
    for target in ('qcow2', 'raw'):
        volume = user.retype(volume, target)
        with open(user.path(volume), 'rb') as stream:
            assert stream.read(len(header)) == header
        _assert_no_secret(user.path(volume))
    user.delete(volume)


IMAGES = {
    'a qcow2 image with a backing file':
        ('qcow2', lambda path: content.qcow2_header(content.MIB, path)),
    'a qcow2 image with a data file':
        ('qcow2', lambda path: content.qcow2_header(content.MIB,
                                                    data_file=path)),
    'a VMDK image with its data elsewhere':
        ('vmdk', content.vmdk_descriptor),
    'a qcow2 image that claims to be raw':
        ('raw', lambda path: content.qcow2_header(content.MIB, path)),
    'a raw image that claims to be qcow2':
        ('qcow2', lambda path: b'no header at all' * 65536),
    'a qcow2 image without its data':
        ('qcow2', lambda path: content.qcow2_header(content.MIB)[:70]),
    'a qcow2 image that is larger than the volume':
        ('qcow2', lambda path: content.qcow2_header(2 * content.GIB)),
}


def test_a_smuggled_image_is_refused_for_its_content_only(user):
    """Without this, any mistake in smuggling would look like a refusal."""
    volume = user.create('raw', 1, imageRef=user.smuggle(
        content.qcow2_header(content.MIB), 'qcow2').id)
    content.assert_holds(user.path(volume), 'raw', content.GIB, [],
                         user.folder)
    user.delete(volume)


@pytest.mark.parametrize('file_format', ['raw', 'qcow2'])
@pytest.mark.parametrize('name', sorted(IMAGES))
def test_a_hostile_image_is_refused(user, secret, file_format, name):
    disk_format, make = IMAGES[name]
    before = user.files(file_format)
    image = user.smuggle(make(secret), disk_format)
    volume = user.create_failing(file_format, 1, imageRef=image.id)
    for left in user.files(file_format) - before:
        _assert_no_secret(os.path.join(user.share(file_format), left))
    user.delete(volume)
    assert user.files(file_format) == before
    assert not os.listdir(user.cloud.spec.path('state', 'conversion'))
