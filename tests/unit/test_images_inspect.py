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

"""Images from outside: looked at before qemu-img sees them."""

import gzip
import json

from cinder.image import accelerator
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import pytest

from remotefs_drivers import errors
from remotefs_drivers import images
from remotefs_drivers.qemu import command
from tests.unit import crafted

QCOW2 = crafted.padded(crafted.qcow2())
TEXT = b'just some text, not an image\n' * 40


class Info:
    """Stands for qemu-img info, which images of one kind are shown to."""

    def __init__(self):
        self.calls = []
        self.kind = 'monolithicSparse'
        self.failure = None

    def run(self, argv, **limits):
        self.calls.append(argv)
        if self.failure:
            raise self.failure
        return json.dumps({
            'virtual-size': 1 << 20, 'filename': argv[-1], 'format': 'vmdk',
            'format-specific': {'type': 'vmdk', 'data': {
                'create-type': self.kind}}}), ''


@pytest.fixture
def info(monkeypatch):
    made = Info()
    monkeypatch.setattr(
        images.image, 'info', lambda path, file_format: _Operation(
            made, ['qemu-img', 'info', '-f', file_format, path]))
    return made


class _Operation(command.Operation):
    def __init__(self, made, argv):
        super().__init__(argv)
        self._made = made

    def run(self):
        return self._made.run(self.argv)


@pytest.fixture
def prepare(tmp_path, info):
    def _prepare(data, disk_format, container_format='bare'):
        path = tmp_path / 'image'
        path.write_bytes(data)
        return images.prepare(str(path), {
            'id': 'the-image', 'disk_format': disk_format,
            'container_format': container_format})
    return _prepare


ACCEPTED = {
    'qcow2': (QCOW2, 'qcow2', ('qcow2', 1 << 20)),
    'qcow2, version 2': (crafted.padded(crafted.qcow2(version=2)), 'qcow2',
                         ('qcow2', 1 << 20)),
    'vmdk': (crafted.vmdk([]), 'vmdk', ('vmdk', 1 << 20)),
    'vdi': (crafted.vdi(), 'vdi', ('vdi', 1 << 20)),
    # All of these are bytes to us, whatever they are to a guest.
    'raw': (TEXT, 'raw', ('raw', len(TEXT))),
    'nothing': (b'', 'raw', ('raw', 0)),
    'a disk': (crafted.mbr(), 'raw', ('raw', 65536)),
    'a GPT disk': (crafted.gpt(), 'raw', ('raw', 65536)),
    'an encrypted disk': (crafted.luks(), 'raw', ('raw', 8192)),
    'a CD': (crafted.iso(), 'iso', ('raw', 65536)),
    'a CD that is called raw': (crafted.iso(), 'raw', ('raw', 65536)),
    'a kernel': (TEXT, 'aki', ('raw', len(TEXT))),
    'a disk of Amazon': (crafted.mbr(), 'ami', ('raw', 65536)),
}

REFUSED = {
    # What it names is said: somebody has to look for who made it.
    'qcow2 with a backing file': (
        crafted.padded(crafted.qcow2(backing='/etc/shadow')), 'qcow2',
        'backing file "/etc/shadow"'),
    'qcow2 with a data file': (
        crafted.padded(crafted.qcow2(data='/dev/sda')), 'qcow2',
        'data file "/dev/sda"'),
    'qcow2 with both': (
        crafted.padded(crafted.qcow2(backing='base', data='/dev/sda')),
        'qcow2', 'backing file "base" and the data file "/dev/sda"'),
    'qcow2 with a data file without name': (
        crafted.padded(crafted.qcow2(features=4)), 'qcow2', 'data file'),
    'qcow2 that names a place beyond all files': (
        crafted.padded(crafted.qcow2(backing='x', backing_at=1 << 62)),
        'qcow2', 'damaged'),
    'qcow2 of an unknown version': (
        crafted.padded(crafted.qcow2(version=9)), 'qcow2', 'unknown_feat'),
    'qcow2 with an unknown feature': (
        crafted.padded(crafted.qcow2(features=1 << 40)), 'qcow2',
        'unknown_feat'),
    'qed': (crafted.qed(), 'qed', 'banned'),
    'vmdk of several files': (
        crafted.vmdk([], 'twoGbMaxExtentSparse'), 'vmdk', 'descriptor'),
    'vmdk that names another file': (
        crafted.vmdk([], extents=['RW 2048 FLAT "/etc/shadow" 0']), 'vmdk',
        'descriptor'),
    'vmdk with a line that nobody knows': (
        crafted.vmdk(['parentFileNameHint /etc/shadow']), 'vmdk',
        'descriptor'),
    'vmdk without extents': (crafted.vmdk([], extents=[]), 'vmdk',
                             'descriptor'),
    'vmdk without a descriptor': (
        crafted.padded(crafted.vmdk([])[:512], 65536), 'vmdk', 'descriptor'),
    # Called one thing and being another: what qemu-img would find out, and
    # what the guest is told, must be the same.
    'qcow2 that is called raw': (QCOW2, 'raw', 'content is qcow2'),
    'qcow2 that is called iso': (QCOW2, 'iso', 'content is qcow2'),
    'qcow2 that is called ami': (QCOW2, 'ami', 'content is qcow2'),
    'qcow2 that is called vmdk': (QCOW2, 'vmdk', 'content is qcow2'),
    'vmdk that is called raw': (crafted.vmdk([]), 'raw', 'content is vmdk'),
    'vmdk that is called qcow2': (crafted.vmdk([]), 'qcow2',
                                  'content is vmdk'),
    'text that is called qcow2': (TEXT, 'qcow2', 'content is raw'),
    'nothing that is called qcow2': (b'', 'qcow2', 'content is raw'),
    'a disk that is called qcow2': (crafted.mbr(), 'qcow2',
                                    'content is gpt'),
    'an encrypted disk that is called qcow2': (crafted.luks(), 'qcow2',
                                               'content is luks'),
    'text that is called something new': (TEXT, 'ploop', 'content is raw'),
    'text that is called nothing': (TEXT, None, 'says that it is None'),
    # A header within the system area of a CD: two things at once.
    'qcow2 and CD at once': (
        crafted.qcow2() + crafted.iso()[len(crafted.qcow2()):], 'qcow2',
        'multiple formats'),
}


@pytest.mark.parametrize('data, disk_format, expected', ACCEPTED.values(),
                         ids=ACCEPTED.keys())
def test_accepted(prepare, data, disk_format, expected):
    assert prepare(data, disk_format) == expected


@pytest.mark.parametrize('data, disk_format, words', REFUSED.values(),
                         ids=REFUSED.keys())
def test_refused(prepare, data, disk_format, words):
    with pytest.raises(errors.ImageRefused) as refusal:
        prepare(data, disk_format)
    text = str(refusal.value)
    assert 'the-image' in text
    assert words.lower() in text.lower()


SEEDS = [QCOW2[:700], crafted.vmdk([])[:2048], crafted.vdi()[:600],
         crafted.luks()[:700], crafted.mbr()[:600], crafted.qed()[:600]]


@settings(max_examples=150)
@given(seed=strategies.sampled_from(SEEDS),
       changes=strategies.lists(strategies.tuples(
           strategies.integers(0, 599), strategies.integers(0, 255)),
           max_size=4),
       cut=strategies.integers(0, 2048),
       disk_format=strategies.sampled_from(
           ['raw', 'qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx', 'qed']))
def test_any_damage_is_refused_or_plain_data(tmp_path_factory, seed, changes,
                                             cut, disk_format):
    data = bytearray(seed)
    for place, value in changes:
        data[place] = value
    path = tmp_path_factory.getbasetemp() / 'damaged-image'
    path.write_bytes(data[:cut])
    image_meta = {'id': 'the-image', 'disk_format': disk_format}
    with pytest.MonkeyPatch.context() as patch:
        made = Info()
        patch.setattr(images.image, 'info',
                      lambda path, file_format: _Operation(made, [path]))
        try:
            found, size = images.prepare(str(path), image_meta)
        except errors.ImageRefused:
            return
    assert found == ('vpc' if disk_format == 'vhd' else disk_format)
    assert size >= 0


class TestVmdkOption:
    """The option vmdk_allowed_types of cinder.conf."""

    def test_qemu_img_is_asked_by_format(self, prepare, info):
        prepare(crafted.vmdk([]), 'vmdk')
        assert info.calls[0][:4] == ['qemu-img', 'info', '-f', 'vmdk']

    def test_others_are_not_shown_to_it(self, prepare, info):
        prepare(QCOW2, 'qcow2')
        with pytest.raises(errors.ImageRefused):
            prepare(crafted.vmdk([], extents=[]), 'vmdk')
        assert info.calls == []

    def test_a_type_that_is_not_allowed(self, prepare, info, override):
        override(vmdk_allowed_types=['streamOptimized'])
        with pytest.raises(errors.ImageRefused, match='[Cc]reate-type'):
            prepare(crafted.vmdk([]), 'vmdk')

    @pytest.mark.parametrize('failure', [
        errors.CommandFailed(program='qemu-img', exit_code=1,
                             stderr='invalid VMDK', command='x'),
        errors.CommandTimeout(program='qemu-img', reason='no end',
                              seconds=120, command='invalid VMDK'),
    ])
    def test_one_that_qemu_img_cannot_read(self, prepare, info, failure):
        info.failure = failure
        with pytest.raises(errors.ImageRefused, match='invalid VMDK'):
            prepare(crafted.vmdk([]), 'vmdk')


class TestCompressed:
    @pytest.fixture(autouse=True)
    def allowed(self, monkeypatch, override):
        def decompress(self, run_as_root):
            assert not run_as_root
            with gzip.open(self.src) as packed:
                data = packed.read()
            with open(self.dest, 'wb') as stream:
                stream.write(data)
        monkeypatch.setattr(accelerator.ImageAccel, '__init__', _remember)
        monkeypatch.setattr(accelerator.ImageAccel, 'decompress_img',
                            decompress)
        override(allow_compression_on_image_upload=True)

    def test_it_is_unpacked_and_then_looked_at(self, prepare):
        packed = gzip.compress(QCOW2)
        assert prepare(packed, 'qcow2', 'compressed') == ('qcow2', 1 << 20)
        hostile = crafted.padded(crafted.qcow2(backing='/etc/shadow'))
        with pytest.raises(errors.ImageRefused, match='/etc/shadow'):
            prepare(gzip.compress(hostile), 'qcow2', 'compressed')

    def test_it_is_not_compressed_at_all(self, prepare):
        with pytest.raises(errors.ImageRefused, match='not compressed by'):
            prepare(QCOW2, 'qcow2', 'compressed')

    def test_the_option_forbids_it(self, prepare, override):
        override(allow_compression_on_image_upload=False)
        with pytest.raises(errors.ImageRefused,
                           match='allow_compression_on_image_upload'):
            prepare(gzip.compress(QCOW2), 'qcow2', 'compressed')


def _remember(self, src, dest):
    self.src, self.dest = src, dest
