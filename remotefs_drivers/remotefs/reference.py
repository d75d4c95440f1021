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

"""What an operator calls a file that Cinder should manage. Pure.

=================  ==========================================================
``source-name``    ``<share>/<file>``, or a bare file name, which is looked
                   for on all shares
``source-id``      the id of the volume that the file was: its name follows
                   from that. Of snapshots: the id that the snapshot had
``source-format``  beside one of them: ``raw`` or ``qcow2``, where the
                   content of a file does not, or must not, tell
=================  ==========================================================
"""

import dataclasses
import ipaddress
import re
from typing import Optional

from cinder.volume import volume_utils
from oslo_config import cfg

from remotefs_drivers.chain import ids
from remotefs_drivers.qemu import image

CONF = cfg.CONF

NAME = 'source-name'
ID = 'source-id'
FORMAT = 'source-format'

_IPV6 = re.compile(r'^\[([^]]+)\](:.*)$')
#: Files of ours that are no volumes.
_OWN_SUFFIXES = ('.info', '.intent')


@dataclasses.dataclass(frozen=True)
class Reference:
    """:ivar location: of the share, None for all of them"""

    name: str
    location: Optional[str] = None
    format: Optional[str] = None


def parse(existing_ref, locations):
    """The file that a reference means.

    :param locations: of all shares
    :raises ValueError: when it is none that could be managed
    """
    values = _values(existing_ref)
    file_format = values.get(FORMAT)
    if file_format is not None and file_format not in image.FORMATS:
        raise ValueError('its %s is "%s", expected %s'
                         % (FORMAT, file_format, ' or '.join(image.FORMATS)))
    location = None
    if ID in values:
        name = _name_of_id(values[ID])
    else:
        location, name = _split(values[NAME], locations)
    _check_name(name)
    return Reference(name, location, file_format)


def named(existing_ref):
    """What a reference calls something that is no file.

    :returns: (name, the format that it says or None)
    :raises ValueError: when it is none
    """
    values = _values(existing_ref)
    return (_name_of_id(values[ID]) if ID in values else values[NAME],
            values.get(FORMAT))


def parse_snapshot(existing_ref):
    """The id that a snapshot had.

    :raises ValueError: when it is none
    """
    values = _values(existing_ref)
    found = values[ID] if ID in values else values[NAME]
    # The name of the file that it added ends with it.
    found = found.rpartition('/')[2].rpartition('.')[2]
    found = volume_utils.extract_id_from_snapshot_name(found) or found
    if not ids.is_id(found):
        raise ValueError('"%s" is not the id of a snapshot' % found)
    return found


def volume_id_of(name):
    """The id of the volume whose file has this name, or None."""
    found = volume_utils.extract_id_from_volume_name(name)
    if (found is None or not ids.is_id(found) or
            CONF.volume_name_template % found != name):
        return None
    return found


def is_candidate(name):
    """Whether a file of this name may be a volume, or the base of one."""
    try:
        _check_name(name)
    except ValueError:
        return False
    return True


def _values(existing_ref):
    if not isinstance(existing_ref, dict):
        raise ValueError('it is not an object with %s or %s' % (NAME, ID))
    unknown = set(existing_ref) - {NAME, ID, FORMAT}
    if unknown:
        raise ValueError('%s is not known' % ', '.join(
            '"%s"' % each for each in sorted(map(str, unknown))))
    if (NAME in existing_ref) == (ID in existing_ref):
        raise ValueError('it must have one of %s and %s' % (NAME, ID))
    for key, value in existing_ref.items():
        if not isinstance(value, str) or not value:
            raise ValueError('its %s is no text' % key)
    return existing_ref


def _name_of_id(volume_id):
    if not ids.is_id(volume_id):
        raise ValueError('"%s" is not the id of a volume' % volume_id)
    return CONF.volume_name_template % volume_id


def _split(text, locations):
    """(location or None, name)"""
    folder, slash, name = text.rpartition('/')
    if not slash:
        return None, name
    if '..' in text.split('/'):
        raise ValueError('it leads out of a share, by ".."')
    known = {_canonical(location): location for location in locations}
    # Of an export that is the root, the slash is part of it.
    for each in (folder, folder + '/'):
        if _canonical(each) in known:
            return known[_canonical(each)], name
    raise ValueError('"%s" is not a share of this backend, of which there '
                     'are: %s. A file must lie in a share itself, in no '
                     'folder of it.' % (folder, ', '.join(locations)))


def _canonical(location):
    """The same for all ways to write an IPv6 address."""
    match = _IPV6.match(location)
    if match is None:
        return location
    try:
        address = ipaddress.IPv6Address(match.group(1))
    except ValueError:
        return location
    return '[%s]%s' % (address, match.group(2))


def _check_name(name):
    if not name or '/' in name or '\0' in name or name.startswith('.'):
        raise ValueError('"%s" is not the name of a file that could be a '
                         'volume: names that begin with a dot are the '
                         'driver\'s own' % name)
    if name.endswith(_OWN_SUFFIXES):
        raise ValueError('"%s" is a file that a volume has beside it: name '
                         'the volume' % name)
    base = name.rpartition('.')[0]
    if base and volume_id_of(base) is not None:
        raise ValueError('"%s" is a layer of %s: name that' % (name, base))
