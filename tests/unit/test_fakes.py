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

"""The stand-ins do what the real ones do."""

import inspect
import os

from cinder import objects
import pytest

from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import header
from remotefs_drivers.qemu import image
from remotefs_drivers.share import directories
from remotefs_drivers.share import mounter
from remotefs_drivers.share import sources
from remotefs_drivers.share import table
from remotefs_drivers.share import visiting
from remotefs_drivers.store import files
from remotefs_drivers.store import layers
from tests.unit import fakes

objects.register_all()

SHARE = table.Share('nas:/a')


class TestSource:
    @pytest.mark.parametrize('real', [sources.SharesFile, sources.Fixed])
    def test_has_the_interface_of_the_real_ones(self, real):
        assert (inspect.signature(fakes.Source.read) ==
                inspect.signature(real.read))

    def test_is_set(self):
        source = fakes.Source(SHARE)
        assert source.read() == table.Table([SHARE])
        source.set()
        assert len(source.read()) == 0
        source.failure = KeyError('x')
        with pytest.raises(KeyError):
            source.read()


class TestBoxMounter:
    @pytest.fixture
    def fake(self, tmp_path):
        return fakes.BoxMounter(tmp_path / 'mnt')

    @pytest.fixture
    def share(self, tmp_path):
        (tmp_path / 'a').mkdir()
        return table.Share('127.0.0.1:%s' % (tmp_path / 'a'))

    def test_has_the_interface_of_the_real_one(self):
        for name in ('path', 'is_there', 'mount', 'unmount', 'detach',
                     'prove', 'renew', 'mounted'):
            assert (inspect.signature(getattr(fakes.BoxMounter, name)) ==
                    inspect.signature(getattr(visiting.VisitingMounter,
                                              name)))

    def test_mounts(self, fake, share, tmp_path):
        with pytest.raises(errors.MountDead):
            fake.prove(fake.path(share))
        fake.mount(share)
        assert fake.path(share) == str(tmp_path / 'a')
        fake.prove(fake.path(share))
        assert fake.mounted() == {share.location}
        fake.unmount(share)
        assert fake.mounted() == set()
        assert (tmp_path / 'a').is_dir()

    def test_detaches_what_is_busy(self, fake, share):
        fake.mount(share)
        fake.busy.add(share.location)
        with pytest.raises(errors.ShareUnavailable):
            fake.unmount(share)
        fake.detach(share)
        assert fake.mounted() == set()

    def test_a_share_that_is_not_there(self, fake):
        with pytest.raises(errors.MountFailed):
            fake.mount(table.Share('127.0.0.1:/no/such'))


class TestMounter:
    @pytest.fixture
    def fake(self, tmp_path):
        return fakes.Mounter(tmp_path)

    @pytest.mark.parametrize('real', [mounter.BrickMounter,
                                      directories.DirectoryMounter])
    @pytest.mark.parametrize('name', ['path', 'is_there', 'mount', 'unmount',
                                      'prove'])
    def test_has_the_interface_of_the_real_ones(self, real, name):
        assert (inspect.signature(getattr(fakes.Mounter, name)) ==
                inspect.signature(getattr(real, name)))

    def test_a_life(self, fake):
        assert not fake.is_there(SHARE)
        with pytest.raises(errors.ShareNotMounted):
            fake.prove(fake.path(SHARE))
        fake.mount(SHARE)
        fake.mount(SHARE, 3)
        assert fake.is_there(SHARE)
        fake.prove(fake.path(SHARE))
        fake.unmount(SHARE)
        assert not fake.is_there(SHARE)
        assert fake.calls == [('mount', 'nas:/a', None),
                              ('mount', 'nas:/a', 3),
                              ('unmount', 'nas:/a', None)]

    def test_breaks_on_request(self, fake):
        fake.broken.add('nas:/a')
        with pytest.raises(errors.MountFailed):
            fake.mount(SHARE)
        assert not fake.is_there(SHARE)
        fake.broken.clear()
        fake.mount(SHARE)
        fake.busy.add('nas:/a')
        with pytest.raises(errors.ShareUnavailable):
            fake.unmount(SHARE)
        assert fake.is_there(SHARE)
        fake.drop(SHARE)
        assert not fake.is_there(SHARE)


class TestLocks:
    def test_has_the_interface_of_the_real_ones(self):
        assert (inspect.signature(fakes.Locks.volumes) ==
                inspect.signature(locks.ProcessLocks.volumes))
        assert (inspect.signature(fakes.Locks.at_once) ==
                inspect.signature(locks.CoordinationLocks.at_once))

    def test_knows_what_is_held(self):
        made = fakes.Locks()
        with made.volumes('a', 'b'):
            assert made.held == ('a', 'b')
            with pytest.raises(AssertionError):
                with made.volumes('c'):
                    pass
        assert made.held == ()
        assert made.calls == [('a', 'b')]

    def test_knows_what_another_has(self):
        made = fakes.Locks()
        made.elsewhere.add('a')
        with made.at_once('a') as held:
            assert (held, made.held) == (False, ())
        with made.at_once('b') as held:
            assert (held, made.held) == (True, ('b',))
        assert made.held == ()


class TestRunner:
    def test_takes_what_the_real_one_takes(self):
        names = list(inspect.signature(command.run).parameters)
        assert names[0] == 'argv'
        fakes.Runner()(['true'], **dict.fromkeys(names[1:]))

    def test_does_what_qemu_img_does(self, tmp_path):
        run = fakes.Runner()
        first, second = tmp_path / 'first', tmp_path / 'second'
        first.touch()
        second.touch()
        image.create_thick(str(first), 7).run(run)
        assert header.read(str(first)).virtual_size == 7
        image.resize(str(first), 'qcow2', 9).run(run)
        assert header.read(str(first)).virtual_size == 9
        fakes.write(str(first), b'what the guest wrote')
        heard = []
        image.convert(str(first), 'qcow2', str(second), 'raw').run(
            run, progress=heard.append)
        assert second.read_bytes() == b'raw of what the guest wrote'
        assert heard == [100.0]
        assert [argv[1] for argv in run.calls] == ['create', 'resize',
                                                   'convert']

    @pytest.mark.parametrize('base_format', ['raw', 'qcow2'])
    def test_overlays(self, tmp_path, base_format):
        run = fakes.Runner()
        names = [str(tmp_path / name) for name in 'abc']
        a, b, c = names
        files.create(a, 0, 0o600)
        if base_format == 'qcow2':
            image.create_thick(a, 512).run(run)
        layers.create_overlay(b, 'a', base_format, 512, 0o600)
        layers.create_overlay(c, 'b', 'qcow2', 1024, 0o600)
        assert header.read(c)[1:] == (1024, 'b', None, 'qcow2')
        for name in (b, c):
            fakes.write(name, name[-1].encode())
        # What is in the way of a merge is overwritten, and grows.
        image.commit(b).run(run)
        image.rebase(c, 'a', base_format).run(run)
        assert header.read(c)[1:] == (1024, 'a', None, base_format)
        assert fakes.content(c) == b'c'
        assert fakes.content(a) == b'b'
        image.commit(c).run(run)
        assert fakes.content(a) == b'c'
        assert (header.read(a).virtual_size if base_format == 'qcow2'
                else os.path.getsize(a)) == 1024

    def test_an_empty_overlay_merges_nothing(self, tmp_path):
        run = fakes.Runner()
        a, b = str(tmp_path / 'a'), str(tmp_path / 'b')
        files.create(a, 7, 0o600)
        fakes.write(a, b'a')
        layers.create_overlay(b, 'a', 'raw', 7, 0o600)
        image.commit(b).run(run)
        assert fakes.content(a) == b'a'

    @pytest.mark.parametrize('call', [
        lambda path: image.convert(path, 'raw', path, 'qcow2'),
        lambda path: image.resize(path, 'qcow2', 9),
        lambda path: image.rebase(path, 'x', 'raw'),
        lambda path: image.commit(path),
    ])
    def test_raw_is_not_qcow2(self, tmp_path, call):
        path = str(tmp_path / 'a')
        files.create(path, 7, 0o600)
        with pytest.raises(AssertionError, match='not a qcow2 file'):
            call(path).run(fakes.Runner())

    def test_as_the_real_one_it_makes_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            image.create_thick(str(tmp_path / 'x'), 7).run(fakes.Runner())

    def test_breaks_on_request(self):
        run = fakes.Runner()
        run.broken['dd'] = KeyError('x')
        with pytest.raises(KeyError):
            run(['dd', 'if=/dev/zero'])
        assert run(['fallocate', '-l', '1', 'x']) == ('', '')


class TestVolume:
    def test_has_no_attribute_that_cinders_has_not(self):
        ours = {name for name in dir(fakes.Volume())
                if not name.startswith('__')}
        own = {'saved', '_is_admin'}
        cinders = set(dir(objects.Volume)) | set(objects.Volume.fields)
        assert ours - own <= cinders

    def test_refuses_a_field_that_there_is_not(self):
        with pytest.raises(AssertionError):
            fakes.Volume(sice=1)

    def test_is_saved_by_an_admin_only(self):
        volume = fakes.Volume()
        with pytest.raises(AssertionError):
            volume.save()
        with volume.obj_as_admin():
            volume.admin_metadata = {'format': 'raw'}
            volume.save()
        assert volume.saved == [(None, {'format': 'raw'})]

    def test_loads_admin_metadata_for_an_admin_only(self):
        volume = fakes.Volume()
        del volume.admin_metadata
        assert not volume.obj_attr_is_set('admin_metadata')
        with pytest.raises(AssertionError):
            volume.obj_load_attr('admin_metadata')
        with volume.obj_as_admin():
            volume.obj_load_attr('admin_metadata')
        assert volume.admin_metadata == {}

    @pytest.mark.parametrize('name_id, name', [(None, 'volume-i'),
                                               ('n', 'volume-n')])
    def test_is_named_by_its_name_id(self, name_id, name):
        assert fakes.Volume(id='i', _name_id=name_id).name == name


class TestSnapshot:
    def test_has_no_attribute_that_cinders_has_not(self):
        ours = {name for name in dir(fakes.Snapshot(fakes.Volume()))
                if not name.startswith('__')}
        cinders = set(dir(objects.Snapshot)) | set(objects.Snapshot.fields)
        assert ours - {'saved'} <= cinders

    def test_remembers_what_is_saved(self):
        snapshot = fakes.Snapshot(fakes.Volume(size=3), progress='5%')
        snapshot.save()
        assert snapshot.saved == ['5%']
        assert snapshot.volume_size == 3

    def test_refuses_a_field_that_there_is_not(self):
        with pytest.raises(AssertionError):
            fakes.Snapshot(fakes.Volume(), sice=1)
