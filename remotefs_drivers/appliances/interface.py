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

"""What an NFS appliance must be able to do for ApplianceNfsDriver.

The driver knows Cinder, the appliance knows shares; neither knows the other.
A vendor writes a subclass of Appliance and registers it as an entry point of
the group ``remotefs_drivers.appliances``; remotefs_drivers.appliances.testing
shows whether it keeps these promises.

All go by **names** that the driver makes, of letters, digits, ``-``, ``_``
and ``.``. A share has a name of its own within the backend, a snapshot one
within its share. Only names that an administrator gave to what is to be
managed may hold anything else. Sizes are bytes.

Promises of all methods:

* They return when what they did survives a crash of the appliance.
* One that fails did nothing, and says so by the error that is named here.
  The exception is ApplianceUnavailable: the answer was lost, and it may have
  been done, or be done yet. The driver takes it back then.
* Each has a time limit of its own. They are called from several threads at
  once, and by services on several hosts; never twice at once for one volume.
* They may block: only the caller waits, see Appliance.remote.
"""

import abc
import dataclasses
from typing import Optional

from remotefs_drivers import errors


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of a share.

    :ivar name: unique in the share
    :ivar id: what the appliance itself calls it
    :ivar clones: names of the shares that are clones of it and hang on it:
                  as long as there are any, it cannot be deleted. Empty where
                  a clone does not depend on its snapshot.
    """

    name: str
    id: str
    clones: tuple = ()


@dataclasses.dataclass(frozen=True)
class Share:
    """A share.

    :ivar name: unique in the backend
    :ivar id: what the appliance itself calls it
    :ivar location: 'address:/path', as hosts mount it
    :ivar size: bytes that it can hold; None for no limit
    :ivar origin: (share, snapshot), the names of the snapshot that it is a
                  clone of and depends on; None for none
    :ivar snapshots: of Snapshot, the oldest first; None where the method
                     that returned it does not look for them
    """

    name: str
    id: str
    location: str
    size: Optional[int] = None
    origin: Optional[tuple] = None
    snapshots: Optional[tuple] = None


@dataclasses.dataclass(frozen=True)
class Capacity:
    """How much room there is for shares, bytes."""

    total: int
    free: int


class Appliance(abc.ABC):
    """An appliance, as one backend of Cinder uses it.

    :param configuration: of the backend, with the options of get_options
    """

    #: What the scheduler is told; None for nothing.
    vendor_name = None
    #: Whether it waits in what the standard library has for that: sockets,
    #: threads, locks. Under eventlet these are green, and belong to the
    #: thread that calls. False for one that works on files itself, or waits
    #: in C: it is called in a native thread then.
    remote = True

    def __init__(self, configuration):
        self.configuration = configuration

    @staticmethod
    def get_options():
        """The options that it takes, a list of oslo_config.cfg.Opt."""
        return []

    def check(self):
        """Called at start: can this do what will be asked of it?

        :raises ApplianceError: when not, with what to do about it
        """

    def offers(self, method):
        """Whether it can do what it need not: the name of a method.

        As a rule, whether a subclass has that method. One that finds out at
        check() says so here.
        """
        return (getattr(type(self), method) is not
                getattr(Appliance, method))

    def close(self):
        """Let go of connections; the next call makes new ones.

        Called before another one takes its place: Cinder sets a driver up
        several times where it fails (``reinit_driver_count``). A driver is
        not told that its service ends, so they must end with the process.
        """

    # Shares

    @abc.abstractmethod
    def create_share(self, name, size):
        """Make an empty share, mountable by all hosts of the cloud.

        Whoever mounts it may make files in its root folder, as the user
        whom the operator chose.

        :param size: it must take a file of that many bytes, fully written
        :returns: Share
        :raises ApplianceShareExists: there is one; it was left as it is
        :raises ApplianceFull: there is no room
        """

    @abc.abstractmethod
    def delete_share(self, name, snapshots=()):
        """Delete a share, and these snapshots of it, and no others.

        Done already is done. All or nothing, so far as a share that is
        still there is whole, and can be deleted again.

        :param snapshots: their names; one that is not there is no error
        :raises ApplianceShareInUse: it has other snapshots, or a clone hangs
                                     on one of them
        """

    @abc.abstractmethod
    def resize_share(self, name, size):
        """Let a share hold a file of that many bytes; done already is done.

        Never less than what it holds.

        :raises ApplianceShareMissing: there is none
        :raises ApplianceFull: there is no room
        """

    def rename_share(self, name, new_name):
        """Give a share another name, which may change where it is mounted.

        Needed to manage shares that are there. Done already is done.

        :returns: Share, by its new name
        :raises ApplianceShareMissing: there is none, of either name
        :raises ApplianceShareExists: there is one of the new name
        """
        raise self._unsupported('rename share %s' % name)

    @abc.abstractmethod
    def find_share(self, name):
        """The Share of a name, with its snapshots; None when there is none.
        """

    @abc.abstractmethod
    def list_shares(self):
        """All shares of this backend, whoever made them: a list of Share."""

    # Snapshots

    @abc.abstractmethod
    def create_snapshot(self, share, name):
        """Keep what a share holds at this moment, whoever writes to it.

        What clients have flushed is in it, in the order of their flushes.

        :returns: Snapshot
        :raises ApplianceShareMissing: there is no such share
        :raises ApplianceSnapshotExists: there is one; it was left as it is
        :raises ApplianceFull: there is no room
        """

    def create_snapshots(self, shares, name):
        """The same of several shares, all at one and the same moment.

        All or none: what was made is removed when the rest cannot be.

        :param shares: names of shares
        :returns: list of Snapshot, in the order of the shares
        """
        raise self._unsupported('snapshot several shares at one moment')

    @abc.abstractmethod
    def delete_snapshot(self, share, name):
        """Delete a snapshot; one that is not there, nor its share, is done.

        :raises ApplianceSnapshotInUse: clones hang on it; it was left as it
                                        is
        """

    def rename_snapshot(self, share, name, new_name):
        """Give a snapshot another name; done already is done.

        Needed where clones hang on snapshots: one whose last clone is still
        there when its user deletes it waits under another name.

        :returns: Snapshot, by its new name
        :raises ApplianceSnapshotMissing: there is none, or no such share
        :raises ApplianceSnapshotExists: there is one of the new name
        """
        raise self._unsupported('rename snapshot %s of share %s'
                                % (name, share))

    @abc.abstractmethod
    def clone_snapshot(self, share, snapshot, name, size):
        """Make a share that holds what a snapshot holds, and can be written.

        All of it: holes, sizes and names of files, whose they are and their
        modes. In a time that does not depend on how much that is, if at all
        possible.

        :param name: of the new share
        :param size: as of create_share; not less than the snapshot's
        :returns: Share
        :raises ApplianceShareExists: there is one of that name
        :raises ApplianceSnapshotMissing: there is none, or no such share
        :raises ApplianceFull: there is no room
        """

    def promote(self, share):
        """Let a clone change places with the share that it was cloned from.

        The snapshot that it hangs on, and all that are older, become its
        own, under the same names; the share that had them becomes a clone
        of that snapshot. Nothing that hosts see changes. Needed where a
        share cannot be deleted while clones hang on its snapshots. One that
        is no clone is left as it is.

        :raises ApplianceShareMissing: there is none
        :raises ApplianceSnapshotExists: both have a snapshot of one name
        """
        raise self._unsupported('promote share %s' % share)

    def roll_back(self, share, snapshot):
        """Let a share hold again what one of its snapshots holds.

        And nothing else: files that are newer go. Its name, its location and
        all its snapshots stay. No host has it mounted. Where this cannot be
        done without losing a newer snapshot, it is refused, and the driver
        copies.

        :raises ApplianceSnapshotMissing: there is none, or no such share
        :raises ApplianceRollbackRefused: there are newer ones
        """
        raise self._unsupported('roll back share %s' % share)

    # Room

    @abc.abstractmethod
    def capacity(self):
        """Capacity of where the shares are.

        What is written or deleted may be counted up to a minute later.
        """

    # For subclasses

    @property
    def name(self):
        """What messages call it: its class, unless it knows better."""
        return type(self).__name__

    def _unsupported(self, what):
        return errors.ApplianceUnsupported(appliance=self.name, what=what)
