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

"""Extending volumes, and copying them into larger ones."""

import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers.store import direct
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things

GiB = 1 << 30
THICK = {'posix_sparsed_volumes': False}
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}


def make(built, driver, **fields):
    volume = fakes.Volume(**fields)
    volume.provider_location = driver.create_volume(
        volume)['provider_location']
    built.steps.clear()
    built.run.calls.clear()
    return volume


def path_of(built, volume):
    return os.path.join(built.folder, 'a', volume.name)


class TestExtend:
    @pytest.mark.parametrize('options, steps, size', [
        # No child process for a sparse file.
        ({}, ['stat', 'extend'], 3 * GiB),
        (THICK, ['stat', 'extend', 'fallocate'], 3 * GiB),
        (QCOW2, ['stat', 'resize'], None),
    ])
    def test_the_steps(self, built, options, steps, size):
        driver = built.posix(**options)
        volume = make(built, driver)
        driver.extend_volume(volume, 3)
        assert built.names() == steps
        assert {held for __, held in built.steps} == {(volume.id,)}
        assert size is None or built.files() == {volume.name: size}

    def test_only_the_new_part_is_reserved(self, built):
        driver = built.posix(**THICK)
        volume = make(built, driver, size=2)
        driver.extend_volume(volume, 3)
        (argv,) = built.run.calls
        assert argv[:5] == ['fallocate', '--offset', str(2 * GiB),
                            '--length', str(GiB)]

    def test_qcow2_by_its_recorded_format(self, built):
        driver = built.posix(**QCOW2)
        volume = make(built, driver)
        driver.extend_volume(volume, 3)
        (argv,) = built.run.calls
        assert argv[argv.index('-f') + 1] == 'qcow2'
        assert argv[-1] == str(3 * GiB)

    def test_a_raw_volume_with_a_qcow2_header_is_raw(self, built):
        """A tenant wrote it; only the record counts."""
        driver = built.posix()
        volume = make(built, driver)
        with open(path_of(built, volume), 'r+b') as stream:
            stream.write(b'QFI\xfb\0\0\0\3')
        driver.extend_volume(volume, 3)
        assert built.run.calls == []
        assert built.files() == {volume.name: 3 * GiB}

    @pytest.mark.parametrize('new_size, words', [(1, 'only grows'),
                                                 (0, 'only grows')])
    def test_smaller(self, built, new_size, words):
        driver = built.posix()
        volume = make(built, driver, size=2)
        with pytest.raises(errors.ShrinkRefused, match=words):
            driver.extend_volume(volume, new_size)
        assert built.steps == []

    @pytest.mark.parametrize('already', [3 * GiB, 4 * GiB])
    def test_done_before_and_cut_off(self, built, already):
        driver = built.posix()
        volume = make(built, driver)
        os.truncate(path_of(built, volume), already)
        driver.extend_volume(volume, 3)
        assert built.files() == {volume.name: already}

    @pytest.mark.parametrize('metadata', [{}, {'format': 'vmdk'}])
    def test_of_unknown_format(self, built, metadata):
        driver = built.posix()
        volume = make(built, driver)
        volume.admin_metadata = metadata
        with pytest.raises(errors.FormatUnknown):
            driver.extend_volume(volume, 3)
        assert built.files() == {volume.name: GiB}

    def test_of_a_file_that_is_gone(self, built):
        driver = built.posix()
        volume = make(built, driver)
        os.remove(path_of(built, volume))
        with pytest.raises(errors.VolumeFileMissing):
            driver.extend_volume(volume, 3)
        assert built.files() == {}

    @pytest.mark.parametrize('put', [things.link, things.directory,
                                     things.fifo, things.dangling_link])
    def test_of_what_is_no_file(self, built, put):
        driver = built.posix()
        volume = make(built, driver)
        path = path_of(built, volume)
        os.remove(path)
        put(path)
        before = things.describe(path)
        with pytest.raises(errors.VolumeFileInvalid):
            driver.extend_volume(volume, 3)
        assert things.describe(path) == before

    @pytest.mark.parametrize('options, broken', [
        (THICK, 'fallocate'), (QCOW2, 'qemu-img resize')])
    def test_no_room(self, built, options, broken):
        driver = built.posix(**options)
        volume = make(built, driver)
        before = built.files()
        built.run.broken[broken] = errors.CommandFailed(
            program='x', exit_code=1, stderr='No space left', command='x')
        with pytest.raises(errors.ExtendFailed, match='No space left'):
            driver.extend_volume(volume, 3)
        assert built.files() == before

    @pytest.mark.parametrize('options, count', [({}, 2), (THICK, 3),
                                                (QCOW2, 2)])
    def test_at_whichever_step_it_fails_it_is_as_it_was(self, built, options,
                                                        count):
        driver = built.posix(**options)
        volume = make(built, driver)
        before = built.files()
        for number in range(count):
            built.steps.clear()
            built.break_at = number
            with pytest.raises((builder.Broken, errors.ExtendFailed,
                                errors.VolumeFileInvalid)):
                driver.extend_volume(volume, 3)
            assert built.files() == before

    def test_what_a_guest_wrote_beyond_the_size_is_not_cut(self, built):
        """It was extended before, and cut off before Cinder knew."""
        driver = built.posix(**THICK)
        volume = make(built, driver)
        os.truncate(path_of(built, volume), 2 * GiB)
        built.run.broken['fallocate'] = errors.CommandFailed(
            program='x', exit_code=1, stderr='No space left', command='x')
        with pytest.raises(errors.ExtendFailed):
            driver.extend_volume(volume, 3)
        assert built.files() == {volume.name: 2 * GiB}


class TestClone:
    @pytest.fixture
    def shared(self, monkeypatch):
        """A file system that shares blocks."""
        def clone(source, target):
            with open(source, 'rb') as stream:
                head = stream.read(8192)
            with open(target, 'r+b') as stream:
                stream.write(head)
            os.truncate(target, os.path.getsize(source))
            return True
        monkeypatch.setattr(direct, 'clone', clone)

    @pytest.fixture
    def copied(self, monkeypatch):
        """One that does not, and copies by itself."""
        monkeypatch.setattr(direct, 'clone', lambda source, target: False)

    @pytest.fixture
    def converted(self, copied, monkeypatch):
        """One that does neither."""
        monkeypatch.setattr(direct, 'copy_some', lambda *args: None)

    STEPS = {
        'raw': ({}, ['stat', 'record', 'create', 'clone']),
        'raw, reserved': (THICK, ['stat', 'statfs', 'record', 'create',
                                  'clone']),
        'qcow2': (QCOW2, ['stat', 'record', 'create', 'clone']),
    }
    MORE = {
        'raw': ['extend'],
        'raw, reserved': ['extend', 'fallocate'],
        'qcow2': ['resize'],
    }
    COPY = {
        'raw': ['truncate', 'copy', 'flush'],
        'raw, reserved': ['truncate', 'fallocate', 'copy', 'flush'],
        'qcow2': ['copy', 'flush', 'resize'],
    }
    CONVERT = {
        'raw': ['truncate', 'copy', 'convert'],
        'raw, reserved': ['truncate', 'fallocate', 'copy', 'convert'],
        'qcow2': ['copy', 'truncate', 'write', 'convert'],
    }
    WAYS = {'shared': MORE, 'copied': COPY, 'converted': CONVERT}

    @pytest.mark.parametrize('kind', STEPS)
    def test_shared_blocks(self, built, shared, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        source = make(built, driver)
        clone = fakes.Volume()
        update = driver.create_cloned_volume(clone, source)
        assert built.names() == steps
        assert update == {'provider_location': clone.provider_location}
        assert clone.admin_metadata == source.admin_metadata
        assert built.files()[clone.name] == built.files()[source.name]

    @pytest.mark.parametrize('kind', STEPS)
    def test_into_a_larger_one(self, built, shared, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        source, clone = make(built, driver), fakes.Volume(size=3)
        driver.create_cloned_volume(clone, source)
        assert built.names() == steps + self.MORE[kind]
        if kind != 'qcow2':
            assert built.files()[clone.name] == 3 * GiB

    @pytest.mark.parametrize('kind', STEPS)
    def test_copied_blocks(self, built, copied, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        source, clone = make(built, driver), fakes.Volume(size=3)
        fakes.write(path_of(built, source), b'data')
        driver.create_cloned_volume(clone, source)
        assert built.names() == steps + self.COPY[kind]
        assert fakes.content(path_of(built, clone)) == b'data'
        if kind != 'qcow2':
            assert built.files()[clone.name] == 3 * GiB

    def test_a_qcow2_file_whose_room_is_reserved(self, built, copied):
        """Its holes are what a copy by the kernel would not reserve."""
        driver = built.posix(**QCOW2, **THICK)
        source = make(built, driver)
        driver.create_cloned_volume(fakes.Volume(), source)
        assert built.names()[-3:] == ['truncate', 'create', 'convert']
        assert 'preallocation=falloc' in built.run.calls[-2]

    def test_the_service_stops(self, built, copied, monkeypatch):
        monkeypatch.setattr(locks, 'until_stop', lambda: lambda: True)
        driver = built.posix()
        source = make(built, driver)
        before = built.files()
        with pytest.raises(errors.ServiceStopping):
            driver.create_cloned_volume(fakes.Volume(), source)
        assert built.files() == before

    @pytest.mark.parametrize('kind', STEPS)
    def test_converted(self, built, converted, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        source, clone = make(built, driver), fakes.Volume(size=3)
        driver.create_cloned_volume(clone, source)
        assert built.names() == steps + self.CONVERT[kind]
        argv = built.run.calls[-1]
        recorded = source.admin_metadata['format']
        assert argv[-2:] == [path_of(built, source), path_of(built, clone)]
        # Both formats are named, by what is recorded.
        assert argv[argv.index('-f') + 1] == recorded
        assert argv[argv.index('-O') + 1] == recorded
        if recorded == 'raw':
            assert built.files()[clone.name] == 3 * GiB

    def test_both_are_locked(self, built, shared):
        driver = built.posix()
        source, clone = make(built, driver), fakes.Volume()
        driver.create_cloned_volume(clone, source)
        assert {held for __, held in built.steps} == {(clone.id, source.id)}

    @pytest.mark.parametrize('blocks', WAYS)
    @pytest.mark.parametrize('kind', STEPS)
    def test_at_whichever_step_it_fails_nothing_is_left(self, built, kind,
                                                        blocks, request):
        request.getfixturevalue(blocks)
        options, steps = self.STEPS[kind]
        more = self.WAYS[blocks]
        driver = built.posix(**options)
        source = make(built, driver)
        before = built.files()
        for number in range(len(steps + more[kind])):
            built.steps.clear()
            built.break_at = number
            with pytest.raises((builder.Broken, errors.VolumeFileInvalid,
                                errors.NoSuitableShare)):
                driver.create_cloned_volume(fakes.Volume(size=3), source)
            assert built.files() == before

    @pytest.mark.parametrize('status, refused', [
        ('available', False), ('backing-up', False), ('downloading', False),
        # A guest writes to it.
        ('in-use', True),
        ('error', True), ('creating', True), ('deleting', True),
        ('extending', True), ('restoring-backup', True),
    ])
    def test_a_source_that_nobody_writes_to(self, built, shared, status,
                                            refused):
        driver = built.posix()
        source = make(built, driver)
        source.status = status
        if not refused:
            driver.create_cloned_volume(fakes.Volume(), source)
            return
        with pytest.raises(errors.SourceBusy, match='"%s"' % status):
            driver.create_cloned_volume(fakes.Volume(), source)
        assert built.steps == []

    @pytest.mark.parametrize('pool, expected', [
        # Nobody says where: beside the source, where blocks are shared.
        (None, 'b'), ('a', 'a'), ('b', 'b')])
    def test_where(self, built, shared, pool, expected):
        driver = built.posix('a', 'b')
        b = os.path.join(built.folder, 'b')
        source = make(built, driver, host='host@backend#' + b)
        host = 'host@backend' + (
            '#' + os.path.join(built.folder, pool) if pool else '')
        clone = fakes.Volume(host=host)
        driver.create_cloned_volume(clone, source)
        assert clone.name in built.files(expected)
