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

"""Whether a class is a volume driver that cinder-volume can work with.

Cinder's own test of its drivers' interface looks for methods in a way that
finds none on Python 3, and so passes any class; drivers outside its tree it
never sees. This one holds a class against the calls that the volume manager
of Cinder 27 to 29 makes, names and signatures. For a driver of your own::

    from remotefs_drivers import conformance

    def test_interface():
        assert conformance.complaints(MyDriver) == []
"""

import ast
import inspect
import textwrap

from cinder import interface
from oslo_config import cfg

#: How Cinder calls each method of a driver. A word with '=' is passed by
#: that name; the others are passed by their place, and have the name that
#: Cinder's own interface gives them, so that any release may use it.
_CALLS = """
    do_setup(context)
    check_for_setup_error()
    get_version()
    init_capabilities()
    get_volume_stats(refresh=)
    ensure_export(context, volume)
    update_provider_info(volumes, snapshots)
    get_pool(volume)
    set_throttle()
    set_initialized()
    clear_download(context, volume)
    set_nas_security_options(is_new_cinder_install)

    create_volume(volume)
    delete_volume(volume)
    extend_volume(volume, new_size)
    create_cloned_volume(volume, src_vref)
    create_volume_from_snapshot(volume, snapshot)
    create_volume_from_backup(volume, backup)
    clone_image(context, volume, image_location, image_meta, image_service)
    copy_image_to_volume(context, volume, image_service, image_id,
                         disable_sparse=)
    copy_image_to_encrypted_volume(context, volume, image_service, image_id,
                                   disable_sparse=)
    copy_volume_to_image(context, volume, image_service, image_meta)
    accept_transfer(context, volume, new_user, new_project)

    create_snapshot(snapshot)
    delete_snapshot(snapshot)
    revert_to_snapshot(context, volume, snapshot)
    snapshot_revert_use_temp_snapshot()

    validate_connector(connector)
    create_export(context, volume, connector)
    initialize_connection(volume, connector)
    terminate_connection(volume, connector, force=)
    remove_export(context, volume)
    create_export_snapshot(context, snapshot, connector)
    initialize_connection_snapshot(snapshot, connector)
    terminate_connection_snapshot(snapshot, connector, force=)
    remove_export_snapshot(context, snapshot)
    _attach_volume(context, volume, properties, remote=)
    _detach_volume(context, attach_info, volume, properties, force=, remote=,
                   ignore_errors=)
    secure_file_operations_enabled()
    get_backup_device(context, backup)

    manage_existing(volume, existing_ref)
    manage_existing_get_size(volume, existing_ref)
    unmanage(volume)
    get_manageable_volumes(cinder_volumes, marker, limit, offset, sort_keys,
                           sort_dirs)
    manage_existing_snapshot(snapshot=, existing_ref=)
    manage_existing_snapshot_get_size(snapshot=, existing_ref=)
    unmanage_snapshot(snapshot)
    get_manageable_snapshots(cinder_snapshots, marker, limit, offset,
                             sort_keys, sort_dirs)

    failover(context, volumes, secondary_id=, groups=)
    failover_host(context, volumes, secondary_id=, groups=)
    failover_completed(context, active_backend_id)

    migrate_volume(context, volume, host)
    retype(context, volume, new_type, diff, host)
    update_migrated_volume(context, volume, new_volume,
                           original_volume_status)
    before_volume_copy(context, src_vol, dest_vol, remote=)
    after_volume_copy(context, src_vol, dest_vol, remote=)

    create_group(context, group)
    delete_group(context, group, volumes)
    update_group(context, group, add_volumes=, remove_volumes=)
    create_group_from_src(context, group, volumes, group_snapshot, snapshots,
                          source_group, source_vols)
    create_group_snapshot(context, group_snapshot, snapshots)
    delete_group_snapshot(context, group_snapshot, snapshots)

    get_filter_function()
    get_goodness_function()
"""

#: The same for what is called on the class.
_CLASS_CALLS = """
    clean_volume_file_locks(volume_id)
    clean_snapshot_file_locks(snapshot_id)
"""

_CONSTRUCTOR = """
    __init__(configuration=, host=, cluster_name=, is_vol_db_empty=,
             active_backend_id=)
"""

#: Cinder is of two minds about these.
_SAME = {'ctxt': 'context', 'ctx': 'context'}

_ATTRIBUTES = {'VERSION': str, 'CI_WIKI_NAME': str, 'SUPPORTED': bool,
               'SUPPORTS_ACTIVE_ACTIVE': bool, 'vendor_name': str,
               'volume_backend_name': str, 'driver_prefix': str}
_PROPERTIES = ('initialized', 'supported')


def complaints(cls):
    """What keeps a class from being a driver.

    :param cls: the class that ``volume_driver`` names
    :returns: a list of sentences, empty when it is one
    """
    found = list(_about_methods(cls))
    found += _about_attributes(cls)
    found += _about_options(cls)
    if cls not in interface._volume_register:
        found.append('it is not decorated by cinder.interface.volumedriver')
    return ['%s: %s' % (cls.__name__, complaint) for complaint in found]


def required():
    """The names of all methods that Cinder calls, on objects or classes."""
    return sorted(_read(_CALLS)) + sorted(_read(_CLASS_CALLS))


def implemented(cls):
    """Which methods do something.

    :returns: those of ``required`` that are more than a stub which raises
              NotImplementedError, as drivers inherit them from Cinder;
              wherever they come from, Cinder's generic ways included
    """
    return frozenset(name for name in required()
                     if not _is_stub(getattr(cls, name, None)))


def _about_methods(cls):
    for text, on_class in ((_CONSTRUCTOR, False), (_CALLS, False),
                           (_CLASS_CALLS, True)):
        for name, call in _read(text).items():
            for complaint in _about_method(cls, name, on_class, *call):
                yield '%s() %s' % (name, complaint)


def _about_method(cls, name, on_class, places, names):
    found = inspect.getattr_static(cls, name, None)
    if found is None:
        return ['is missing']
    if on_class:
        if not isinstance(found, classmethod):
            return ['is not a class method']
        found = found.__func__
    if not inspect.isfunction(found):
        return ['is not a method']
    return _about_call(found, places, names)


def _about_call(function, places, names):
    """Hold the signature of a function against a call."""
    signature = inspect.signature(function)
    try:
        signature.bind(None, *places, **dict.fromkeys(names))
    except TypeError as error:
        yield 'cannot be called as Cinder does, with (%s): %s' % (
            ', '.join(places + ['%s=' % name for name in names]), error)
        return
    # The first one is self, or the class.
    own = [each for each in signature.parameters.values()
           if each.kind is not each.VAR_POSITIONAL][1:]
    for expected, parameter in zip(places, own):
        name = _SAME.get(parameter.name, parameter.name)
        if parameter.kind is not parameter.VAR_KEYWORD and name != expected:
            yield 'has a parameter "%s", which Cinder calls "%s"' % (
                parameter.name, expected)


def _about_attributes(cls):
    for name, kind in _ATTRIBUTES.items():
        value = getattr(cls, name, None)
        if not isinstance(value, kind) or value == '':
            yield '%s is %r, expected a %s' % (name, value, kind.__name__)
    for name in _PROPERTIES:
        if not isinstance(inspect.getattr_static(cls, name, None), property):
            yield '%s is not a property' % name


def _about_options(cls):
    """Read by Cinder on the class, before there is an object."""
    try:
        options = cls.get_driver_options()
    except (AttributeError, TypeError) as error:
        yield 'get_driver_options() cannot be called: %s' % error
        return
    if not isinstance(options, (list, tuple)) or not all(
            isinstance(option, cfg.Opt) for option in options):
        yield 'get_driver_options() is no list of options of oslo.config'


def _read(text):
    """Calls as they are written above: name -> (places, names)."""
    calls = {}
    for call in text.replace('\n', ' ').split(')')[:-1]:
        name, arguments = call.split('(')
        words = [word.strip() for word in arguments.split(',') if word]
        calls[name.strip()] = (
            [word for word in words if not word.endswith('=')],
            [word[:-1] for word in words if word.endswith('=')])
    return calls


def _is_stub(function):
    """Whether all that a function does is to raise NotImplementedError."""
    if function is None:
        return True
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(statement, ast.Raise) and
               'NotImplementedError' in ast.dump(statement)
               for statement in tree.body[0].body)
