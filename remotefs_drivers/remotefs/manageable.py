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

"""The lists of what could be managed, as Cinder's API shows them. Pure."""

from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.remotefs import reference

#: Why a file with overlays is refused that was no volume of Cinder.
NO_ID = ('it has overlays (%s), which keep their names, so that it must have '
         'the name of a volume as well: see the option volume_name_template')


def whole(size):
    """Bytes as whole GiB, rounded up."""
    return -(-size // units.Gi)


def with_tables(some):
    """The names of volumes that have a table of snapshots, of all names."""
    suffix = names.snapshot_table('')
    return {name[:-len(suffix)] for name in some if name.endswith(suffix)}


def candidates(some):
    """Those that may be a volume, or its base, of all names on a share.

    The base of a volume with a table may be gone: see chain.model.
    """
    bases = {name for name in with_tables(some)
             if reference.volume_id_of(name) is not None}
    return sorted(bases.union(some).intersection(
        filter(reference.is_candidate, bases.union(some))))


def managed(share, name, volume):
    """The entry of a file that is a volume already."""
    return _entry(share, name, volume.size, 'it is a volume already',
                  volume.id)


def file(share, name, found):
    """The entry of another file.

    :param found: outside.Found
    """
    problem = found.problem
    if (problem is None and found.layers and
            reference.volume_id_of(name) is None):
        problem = NO_ID % ', '.join(found.layers)
    entry = _entry(share, name, whole(found.size), problem)
    if found.format is not None:
        entry['extra_info'] = {'format': found.format,
                               'overlays': str(len(found.overlays))}
    return entry


def snapshot(share, chain, snapshot_id, volume, known):
    """The entry of a snapshot in the table of a volume.

    :param known: Cinder's snapshot of that id, or None
    """
    problem, size = None, volume.size
    try:
        size = whole(chain.content(snapshot_id).size)
    except errors.SnapshotUnknown as error:
        problem = 'its file is missing: %s' % error
    if known is not None:
        problem = 'it is a snapshot already'
    return {'reference': {reference.ID: snapshot_id},
            'source_reference': _reference(share, chain.base),
            'size': size,
            'safe_to_manage': problem is None,
            'reason_not_safe': problem,
            'cinder_id': None if known is None else known.id,
            'extra_info': None}


def share(found, volume):
    """The entry of a share of an appliance.

    :param found: appliances.interface.Share
    :param volume: that it is already, or None
    """
    if volume is not None:
        size, problem = volume.size, 'it is a volume already'
    else:
        size, problem = whole(found.size or 0), None
    return {'reference': {reference.NAME: found.name},
            'size': size,
            'safe_to_manage': problem is None,
            'reason_not_safe': problem,
            'cinder_id': None if volume is None else volume.id,
            'extra_info': {'location': found.location}}


def snapshot_of_share(found, name, volume, known):
    """The entry of a snapshot of a volume's share.

    :param known: Cinder's snapshot of that name, or None
    """
    return {'reference': {reference.NAME: name},
            'source_reference': {reference.NAME: found.name},
            'size': volume.size,
            'safe_to_manage': known is None,
            'reason_not_safe': (None if known is None else
                                'it is a snapshot already'),
            'cinder_id': None if known is None else known.id,
            'extra_info': None}


def _reference(share, name):
    return {reference.NAME: '%s/%s' % (share.location.rstrip('/'), name)}


def _entry(share, name, size, problem, volume_id=None):
    return {'reference': _reference(share, name),
            'size': size,
            'safe_to_manage': problem is None,
            'reason_not_safe': problem,
            'cinder_id': volume_id,
            'extra_info': None}
