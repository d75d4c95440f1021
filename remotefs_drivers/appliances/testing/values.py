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


"""Whether what an appliance returns is what the interface says."""

import dataclasses

from remotefs_drivers.appliances import interface
from remotefs_drivers.share import table


def check_share(share, name, size=None):
    """A Share by itself.

    :param size: bytes that it must be able to hold
    """
    assert isinstance(share, interface.Share), share
    assert share.name == name
    assert share.id and isinstance(share.id, str), share
    assert table.is_location(share.location), (
        '%s: the location is not of the form address:/path' % (share,))
    _check_size(share, size)
    _check_origin(share)
    assert share.snapshots is None or isinstance(share.snapshots, tuple), (
        share)
    for snapshot in share.snapshots or ():
        check_snapshot(snapshot)


def _check_size(share, size):
    assert share.size is None or (type(share.size) is int and
                                  share.size >= (size or 0)), share


def _check_origin(share):
    assert share.origin is None or (
        isinstance(share.origin, tuple) and
        [type(part) for part in share.origin] == [str, str]), share


def check_snapshot(snapshot, name=None):
    """A Snapshot by itself."""
    assert isinstance(snapshot, interface.Snapshot), snapshot
    assert isinstance(snapshot.name, str), snapshot
    assert snapshot.name == (name or snapshot.name)
    assert snapshot.id and isinstance(snapshot.id, str), snapshot
    assert isinstance(snapshot.clones, tuple), snapshot
    assert all(isinstance(clone, str) for clone in snapshot.clones), snapshot


def bare(share):
    """A Share without what only some methods look for."""
    assert share is not None, 'it is not found, or not listed'
    return dataclasses.replace(share, snapshots=None)


def listed(box, name):
    """The Share of a name in the list of all; None for none."""
    found = [share for share in box.list_shares() if share.name == name]
    assert len(found) < 2, 'it is listed %d times' % len(found)
    return found[0] if found else None


def is_there(box, name):
    """Whether there is such a share, by all ways to ask."""
    found = box.find_share(name) is not None
    assert (listed(box, name) is not None) is found, (
        'find_share and list_shares do not agree on %s' % name)
    return found
