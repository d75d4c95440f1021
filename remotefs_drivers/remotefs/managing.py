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

"""Manage and unmanage: files that come to Cinder, and go from it.

A file that becomes a volume gets the volume's name, in the last step: until
then nothing has happened to it but that it was made as large as whole GiB,
and what cuts that off leaves it under the name that the operator knows. Its
share and its format are on record before.

Of a volume with overlays, ``volume-<old id>``, no name is changed: each
overlay names the one below it, and a crash among so many renames could leave
a volume that nobody can put together. Cinder calls the id in the name of the
files the volume's name_id, and knows it from migrations: that becomes the
old id, and all that is done is to write it down.

What an unmanage leaves is what it found. Its snapshots are in its table, by
the ids that they had; each can be managed again once the volume is.
"""

import collections

from cinder import context as cinder_context
from cinder import exception
from cinder import objects
from cinder.volume import volume_utils
from oslo_log import log as logging

from remotefs_drivers.chain import plan
from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers.remotefs import manageable
from remotefs_drivers.remotefs import owners
from remotefs_drivers.remotefs import reference
from remotefs_drivers.remotefs import volumes
from remotefs_drivers import states
from remotefs_drivers.store import outside

LOG = logging.getLogger(__name__)

#: Seconds for looking at all files of a share that Cinder does not know.
_LOOK_LIMIT = 300


class ManagingDriver(volumes.RemoteFSDriver):
    """Volumes that may have been files before."""

    # Volumes

    def manage_existing_get_size(self, volume, existing_ref):
        """The size of a file as a volume, GiB, rounded up.

        :param existing_ref: see remotefs.reference
        :raises ReferenceInvalid, ReferenceManaged, ReferenceElsewhere: when
            it cannot be managed
        """
        __, __, found = self._find(volume, self._parse(volume, existing_ref),
                                   existing_ref)
        return manageable.whole(found.size)

    def manage_existing(self, volume, existing_ref):
        """Make a file that lies on a share a volume.

        :returns: for the database: provider_location, and _name_id where
                  its files keep their names
        :raises: as manage_existing_get_size
        """
        states.refuse_encrypted(volume)
        wanted = self._parse(volume, existing_ref)
        old_id = reference.volume_id_of(wanted.name)
        with self._locks.volumes(*filter(None, (volume.id, old_id))):
            share, name, found = self._find(volume, wanted, existing_ref)
            self._check_attachable(volume, found.active)
            LOG.info('%s on %s becomes volume %s', name, share.location,
                     volume.id)
            if found.layers is None:
                self._take_file(volume, share, name, found)
                return {'provider_location': share.location}
            self._take_chain(volume, share, old_id, found)
            return {'provider_location': share.location, '_name_id': old_id}

    def unmanage(self, volume):
        """Nothing: all stays as it is, for another Cinder or for this."""
        LOG.info('Volume %s stays on %s as %s', volume.id,
                 volume.provider_location, volume.name)

    def get_manageable_volumes(self, cinder_volumes, marker, limit, offset,
                               sort_keys, sort_dirs):
        """What lies on the shares, and whether it can be managed.

        A share that does not answer is left out.
        """
        entries = []
        for share in self._shares.table.values():
            try:
                entries += list(self._entries_of(share, cinder_volumes))
            except (exception.CinderException, OSError) as error:
                LOG.error('The files on %s are not listed: %s',
                          share.location, error)
        return volume_utils.paginate_entries_list(
            entries, marker, limit, offset, sort_keys, sort_dirs)

    # Snapshots

    def manage_existing_snapshot_get_size(self, snapshot, existing_ref):
        """The size of a snapshot in the table of its volume, GiB.

        :param existing_ref: see remotefs.reference
        :raises SnapshotReferenceInvalid: when there is no such snapshot
        """
        with self._locks.volumes(snapshot.volume_id):
            chain = self._file_of(snapshot.volume).peek()
            old_id = self._known_snapshot(snapshot, existing_ref, chain)
            return manageable.whole(chain.content(old_id).size)

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Give a snapshot in the table of its volume the id of another.

        The file that it added keeps its name.

        :raises: as manage_existing_snapshot_get_size
        """
        volume = snapshot.volume
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain(changing=True)
            old_id = self._known_snapshot(snapshot, existing_ref, chain)
            if old_id != snapshot.id:
                file.apply(plan.rename_snapshot(chain, old_id, snapshot.id))

    def unmanage_snapshot(self, snapshot):
        """Nothing: it stays in the table of its volume."""
        LOG.info('Snapshot %s stays in the table of volume %s', snapshot.id,
                 snapshot.volume_id)

    def get_manageable_snapshots(self, cinder_snapshots, marker, limit,
                                 offset, sort_keys, sort_dirs):
        """The snapshots in the tables of this backend's volumes."""
        known = {snapshot.id: snapshot for snapshot in cinder_snapshots}
        entries = [entry for file, volume in self._with_tables()
                   for entry in self._snapshots_of(file, volume, known)]
        return volume_utils.paginate_entries_list(
            entries, marker, limit, offset, sort_keys, sort_dirs)

    # Finding a file

    def _parse(self, volume, existing_ref):
        try:
            return reference.parse(existing_ref, list(self._shares.table))
        except ValueError as error:
            raise errors.ReferenceInvalid(
                volume=volume.id, existing_ref=existing_ref, reason=error)

    def _find(self, volume, wanted, existing_ref):
        """(share, name, outside.Found) of what is to be managed."""
        def refused(reason):
            return errors.ReferenceInvalid(
                volume=volume.id, existing_ref=existing_ref, reason=reason)

        self._refuse_managed(volume, wanted.name, existing_ref)
        there = self._look_for(volume, wanted, wanted.name)
        name = wanted.name
        if not there and volume.provider_location:
            # Cut off after the last step: it has the volume's name by now.
            name = volume.name
            there = self._look_for(volume, wanted, name)
        if not there:
            raise refused('there is no file "%s" on %s. Was it renamed by an '
                          'attempt that was cut off? List the manageable '
                          'volumes.' % (wanted.name, ', '.join(
                              self._locations(wanted))))
        share, found = self._choose_one(volume, wanted.name, there, refused)
        if found.problem is not None:
            raise refused(found.problem)
        if found.layers and reference.volume_id_of(name) is None:
            raise refused(manageable.NO_ID % ', '.join(found.layers))
        return share, name, found

    def _locations(self, wanted):
        return ([wanted.location] if wanted.location
                else list(self._shares.table))

    def _look_for(self, volume, wanted, name):
        """Share -> outside.Found, of the shares that have such a file.

        When the share that the scheduler chose has one, no other is asked.
        """
        there = {}
        pool = self._pool_of(volume)
        for location in sorted(self._locations(wanted),
                               key=lambda each: each != pool):
            share = self._shares.table[location]
            found, = self._judge(share, [name], wanted.format, volume.name)
            if found.there:
                there[share] = found
                if location == pool:
                    break
        return there

    def _judge(self, share, some, said=None, own=None):
        return [outside.Found(*found) for found in self._shares.call(
            share, 'look', self._means.files.judge, self._shares.path(share),
            some, said, self._settings.legacy_format, own,
            limit=_LOOK_LIMIT)]

    def _choose_one(self, volume, name, there, refused):
        pool = self._pool_of(volume)
        if pool is not None:
            for share, found in there.items():
                if share.location == pool:
                    return share, found
            raise errors.ReferenceElsewhere(
                volume=volume.id, name=name, pool=pool,
                share=', '.join(share.location for share in there),
                host=volume_utils.extract_host(volume.host))
        if len(there) > 1:
            raise refused('there is one on each of %s: say which, as '
                          '<share>/%s' % (', '.join(
                              share.location for share in there), name))
        return next(iter(there.items()))

    def _refuse_managed(self, volume, name, existing_ref):
        owner = owners.find([name]).get(name)
        if owner is not None and owner.id != volume.id:
            raise errors.ReferenceManaged(volume_ref=owner.id,
                                          existing_ref=existing_ref)

    # Taking it

    def _take_file(self, volume, share, name, found):
        formats.record(volume, found.format, share.location)
        self._file_on(share, volume).take(name, found.format, found.size,
                                          manageable.whole(found.size))

    def _take_chain(self, volume, share, old_id, found):
        volume._name_id = old_id
        formats.record(volume, found.active, share.location,
                       base=found.format)
        file = self._file_on(share, volume)
        chain = file.chain(changing=True)
        file.grow(chain, manageable.whole(chain.active.size))
        for layer in chain.layers:
            file.open_for_hosts(layer.name)

    # Lists

    def _entries_of(self, share, cinder_volumes):
        names = self._names_on(share)
        known = {volume.name: volume for volume in cinder_volumes
                 if volume.provider_location == share.location}
        candidates = manageable.candidates(names)
        left = [name for name in candidates if name not in known]
        others = owners.find(left)
        left = [name for name in left if name not in others]
        for name in candidates:
            if name in known or name in others:
                yield manageable.managed(share, name, known.get(name) or
                                         others[name])
        for name, found in zip(left, self._judge(share, left)):
            yield manageable.file(share, name, found)

    def _names_on(self, share):
        return self._shares.call(share, 'look', self._means.files.names_on,
                                 self._shares.path(share), limit=_LOOK_LIMIT)

    def _with_tables(self):
        """(VolumeFile, volume) of those that have a table of snapshots."""
        for share, its_volumes in self._by_share().items():
            try:
                tables = manageable.with_tables(self._names_on(share))
            except (exception.CinderException, OSError) as error:
                LOG.error('The snapshots on %s are not listed: %s',
                          share.location, error)
                continue
            for volume in its_volumes:
                if volume.name in tables:
                    yield self._file_on(share, volume), volume

    def _by_share(self):
        """Share -> the volumes of this backend that are on it."""
        found = collections.defaultdict(list)
        for volume in self._own_volumes({}):
            try:
                found[self._shares.known(volume)].append(volume)
            except exception.CinderException as error:
                LOG.warning('The snapshots of volume %s are not listed: %s',
                            volume.id, error)
        return found

    def _snapshots_of(self, file, volume, known):
        try:
            chain = file.peek()
        except (exception.CinderException, OSError) as error:
            LOG.error('The snapshots of volume %s are not listed: %s',
                      volume.id, error)
            return
        for snapshot_id in chain.snapshots:
            yield manageable.snapshot(file.share, chain, snapshot_id,
                                      volume, known.get(snapshot_id))

    def _known_snapshot(self, snapshot, existing_ref, chain):
        """The id in the table that a reference means."""
        def reason(old_id):
            if old_id not in chain.snapshots:
                return 'it has no record of it, but of: %s' % (
                    ', '.join(sorted(chain.snapshots)) or 'none')

        return self._old_id(snapshot, existing_ref,
                            chain.snapshots.__contains__, reason)

    def _old_id(self, snapshot, existing_ref, has, reason):
        """The id of what is to be managed, by which a reference means it.

        :param has: called with an id, tells whether there is a snapshot of it
        :param reason: called with an id, says why that cannot be managed
        :raises SnapshotReferenceInvalid, ReferenceManaged: when it cannot
        """
        def refused(why):
            return errors.SnapshotReferenceInvalid(
                snapshot=snapshot.id, volume=snapshot.volume_id,
                existing_ref=existing_ref, reason=why)

        try:
            old_id = reference.parse_snapshot(existing_ref)
        except ValueError as error:
            raise refused(error)
        if not has(old_id) and has(snapshot.id):
            # Cut off after the last step.
            return snapshot.id
        why = reason(old_id)
        if why:
            raise refused(why)
        if old_id != snapshot.id and objects.Snapshot.exists(
                cinder_context.get_admin_context(), old_id):
            raise errors.ReferenceManaged(volume_ref=old_id,
                                          existing_ref=existing_ref)
        return old_id
