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

"""The drivers are what cinder-volume expects; the check sees if not."""

import functools

from cinder import interface
from cinder import objects
import pytest

objects.register_all()

from cinder.volume.drivers import lvm  # noqa: E402

from remotefs_drivers import appliance  # noqa: E402
from remotefs_drivers import conformance  # noqa: E402
from remotefs_drivers import glusterfs  # noqa: E402
from remotefs_drivers import gpfs  # noqa: E402
from remotefs_drivers import nfs  # noqa: E402
from remotefs_drivers import posix  # noqa: E402

DRIVERS = [appliance.ApplianceNfsDriver, glusterfs.GlusterfsDriver,
           gpfs.GPFSDriver, nfs.NfsDriver, posix.PosixDriver]


def changed(**members):
    """A driver of somebody else's, made from one of ours."""
    cls = type('Changed', (posix.PosixDriver,), members)
    return interface.volumedriver(cls)


@pytest.fixture(autouse=True)
def register(monkeypatch):
    """Made-up drivers are not left in Cinder's list of drivers."""
    monkeypatch.setattr(interface, '_volume_register',
                        list(interface._volume_register))


@pytest.mark.parametrize('cls', DRIVERS)
def test_our_drivers(cls):
    assert conformance.complaints(cls) == []


def test_a_driver_made_from_ours():
    assert conformance.complaints(changed()) == []


@pytest.mark.parametrize('name', conformance.required() + ['__init__'])
def test_a_method_that_is_taken_away(name):
    complaint, = conformance.complaints(changed(**{name: None}))
    assert complaint.startswith('Changed: %s() is missing' % name)


@pytest.mark.parametrize('name', conformance.required())
def test_a_method_that_takes_too_little(name):
    def method(self):
        pass
    found = conformance.complaints(changed(**{name: _alike(name, method)}))
    places, names = {**conformance._read(conformance._CALLS),
                     **conformance._read(conformance._CLASS_CALLS)}[name]
    assert bool(found) is bool(places or names)


@pytest.mark.parametrize('name', conformance.required())
def test_a_method_that_takes_too_much(name):
    def method(self, one, two, three, four, five, six, seven, eight):
        pass
    complaint, = conformance.complaints(
        changed(**{name: _alike(name, method)}))
    assert 'cannot be called as Cinder does' in complaint


def _alike(name, method):
    return classmethod(method) if name.startswith('clean_') else method


SIGNATURES = [
    ('extend_volume', lambda self, volume, size: 0,
     'has a parameter "size", which Cinder calls "new_size"'),
    ('extend_volume', lambda self, new_size, volume: 0, 'which Cinder calls'),
    # The keyword is passed always.
    ('copy_image_to_volume',
     lambda self, context, volume, image_service, image_id: 0,
     "unexpected keyword argument 'disable_sparse'"),
    ('terminate_connection', lambda self, volume, connector: 0,
     "unexpected keyword argument 'force'"),
    # By name only: the place does not matter, the name does.
    ('manage_existing_snapshot', lambda self, snap, existing_ref: 0,
     "missing a required argument: 'snap'"),
    # A static method is called without self.
    ('create_volume', staticmethod(lambda self, volume: 0),
     'is not a method'),
    ('create_volume', 'a string', 'is not a method'),
    ('clean_volume_file_locks', lambda self, volume_id: 0,
     'is not a class method'),
    ('__init__', lambda self, configuration, host: 0, 'unexpected keyword'),
    # As drivers of old took it: Cinder passes no db.
    ('__init__', lambda self, db, **kwargs: 0, "argument: 'db'"),
]


@pytest.mark.parametrize('name, method, words', SIGNATURES)
def test_a_signature_that_differs(name, method, words):
    found = conformance.complaints(changed(**{name: method}))
    assert found and words in found[0]


TOLERATED = [
    ('extend_volume', lambda self, volume, new_size, really=True: 0),
    ('copy_image_to_volume',
     lambda self, context, volume, image_service, image_id, **kwargs: 0),
    ('copy_image_to_volume', lambda self, *args, **kwargs: 0),
    ('initialize_connection', lambda self, volume, connector, **kwargs: 0),
    # Cinder writes it in both ways.
    ('create_export', lambda self, ctxt, volume, connector: 0),
    ('create_export', lambda self, ctx, volume, connector: 0),
    ('manage_existing_snapshot', lambda self, existing_ref, snapshot: 0),
    ('manage_existing_snapshot', lambda self, *, existing_ref, snapshot: 0),
]


@pytest.mark.parametrize('name, method', TOLERATED)
def test_a_signature_that_is_as_good(name, method):
    assert conformance.complaints(changed(**{name: method})) == []


def test_a_decorated_method_is_what_it_decorates():
    def wrong(self, volume):
        pass

    @functools.wraps(wrong)
    def wrapper(*args, **kwargs):
        return wrong(*args, **kwargs)
    assert conformance.complaints(changed(extend_volume=wrapper))


@pytest.mark.parametrize('name, value', [
    ('VERSION', None), ('VERSION', 1.0), ('VERSION', ''),
    ('CI_WIKI_NAME', None), ('SUPPORTED', None),
    ('SUPPORTS_ACTIVE_ACTIVE', 'yes'), ('vendor_name', None),
    ('volume_backend_name', ''), ('driver_prefix', None),
    ('initialized', True), ('supported', True),
    ('get_driver_options', None),
    ('get_driver_options', lambda self: []),
    ('get_driver_options', staticmethod(lambda: None)),
    ('get_driver_options', staticmethod(lambda: ['nas_host'])),
])
def test_an_attribute_that_is_wrong(name, value):
    complaint, = conformance.complaints(changed(**{name: value}))
    assert complaint.startswith('Changed: %s' % name)


def test_a_class_that_cinder_does_not_know():
    class Unknown(posix.PosixDriver):
        pass
    assert conformance.complaints(Unknown) == [
        'Unknown: it is not decorated by cinder.interface.volumedriver']


def test_the_table_of_calls_is_cinders_own():
    """Held against a driver that each release of Cinder is tested with."""
    found = [complaint.split(': ')[1]
             for complaint in conformance.complaints(lvm.LVMVolumeDriver)]
    # Only drivers of network storage have these.
    assert found == ['set_nas_security_options() is missing'] + [
        '%s is None, expected a str' % name for name in (
            'vendor_name', 'volume_backend_name', 'driver_prefix')]


def test_any_other_class_has_everything_wrong():
    found = conformance.complaints(dict)
    assert len(found) > len(conformance.required())


class TestImplemented:
    @pytest.mark.parametrize('cls', DRIVERS)
    @pytest.mark.parametrize('name', ['create_volume', 'delete_volume',
                                      'get_volume_stats', 'clone_image',
                                      'manage_existing',
                                      'get_manageable_snapshots'])
    def test_what_does_something(self, cls, name):
        assert name in conformance.implemented(cls)

    @pytest.mark.parametrize('name', ['create_group',
                                      'create_volume_from_backup'])
    def test_stubs_of_cinder(self, name):
        assert name not in conformance.implemented(posix.PosixDriver)

    def test_stubs_of_others(self):
        class Base(posix.PosixDriver):
            def create_volume(self, volume):
                """To be made."""
                raise NotImplementedError()

            def delete_volume(self, volume):
                if volume.size > 1:
                    raise NotImplementedError()

            create_snapshot = None
        found = conformance.implemented(Base)
        assert 'create_volume' not in found
        assert 'create_snapshot' not in found
        assert 'delete_volume' in found
