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

"""What the metadata of a volume ask of GPFS, by a list of what is allowed.

A tenant writes these metadata. The keys are those of the driver in Cinder's
tree, and all others are ignored:

================================  ===========================================
``data_pool_name``                storage pool
``replicas``                      copies of data and metadata
``dio``                           direct I/O: yes or no
``write_affinity_depth``          see mmchattr
``block_group_factor``            the same
``write_affinity_failure_group``  the same
``fstype``                        make a file system of this type in it
``fslabel``                       and give it this name
================================  ===========================================
"""

import dataclasses
from typing import NamedTuple
from typing import Optional

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.qemu import mkfs

_POOL = 'data_pool_name'
_FSTYPE, _FSLABEL = 'fstype', 'fslabel'
#: Metadata -> field of requests.Wanted.
_FIELDS = {_POOL: 'pool',
           **{name: name for name in (
               'replicas', 'dio', 'write_affinity_depth',
               'block_group_factor', 'write_affinity_failure_group')}}


def wanted(volume, pool):
    """The attributes of a volume's file.

    :param pool: that the operator or the scheduler wants, None for none
    :returns: requests.Wanted, or None where nothing is asked for
    :raises MetadataInvalid: for values that are not to be had
    """
    metadata = volume.metadata or {}
    fields = {}
    for key, field in _FIELDS.items():
        if key in metadata:
            fields[field] = metadata[key]
            _check(volume, key, field, metadata[key])
    if pool is not None:
        fields.setdefault('pool', pool)
    return requests.Wanted(**fields) if fields else None


def _check(volume, key, field, value):
    # The one who builds the command line says what may be on it.
    try:
        requests.change_attributes('/', dataclasses.asdict(
            requests.Wanted(**{field: value})))
    except errors.GpfsRequestInvalid as error:
        raise errors.MetadataInvalid(volume=volume.id, key=key, value=value,
                                     expected=error.kwargs['expected'])


class FileSystem(NamedTuple):
    """One that a new volume comes with."""

    type: str
    label: Optional[str]


def filesystem(volume):
    """The file system that a new volume comes with.

    :returns: FileSystem, or None where none is asked for
    :raises MetadataInvalid: for one that is not to be had on this host
    """
    metadata = volume.metadata or {}
    fstype, label = metadata.get(_FSTYPE), metadata.get(_FSLABEL)
    if not fstype:
        return None
    if fstype not in mkfs.types():
        raise errors.MetadataInvalid(
            volume=volume.id, key=_FSTYPE, value=fstype,
            expected='one of %s' % ', '.join(mkfs.types()))
    if label and not mkfs.is_label(fstype, label):
        raise errors.MetadataInvalid(
            volume=volume.id, key=_FSLABEL, value=label,
            expected='at most %d letters, digits, "_", "." and "-"'
                     % mkfs.longest_label(fstype))
    return FileSystem(fstype, label or None)
