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

"""The shares of a backend as an immutable table, and the text they come from.

A line of a shares file is ``address:/export``, optionally followed by white
space and mount options (``-o vers=4.2,hard``). A blank in the export is
written ``\\040``, as in fstab(5). ``#`` starts a comment, at the beginning
of a line or after white space; an option or an export may hold one inside.
The format is that of the shares files of Cinder's own drivers.
"""

import collections
import dataclasses
import re
from typing import Optional

_LOCATION = re.compile(r'^(\[[^\]\s]+\]|[^:\s\[\]][^:]*):(/.*)$')
#: An IPv6 address without brackets, as mount.glusterfs wants it.
_BARE = re.compile(r'^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(%[^\s:/]+)?:(/.*)$')
_COMMENT = re.compile(r'(^|\s)#.*$')


@dataclasses.dataclass(frozen=True)
class Share:
    """One share.

    :ivar location: 'address:/export', or a directory; what a volume has as
                    its provider_location
    :ivar options: what stands behind the share in the shares file, such as
                   '-o vers=4.2', or None
    """

    location: str
    options: Optional[str] = None


class Table(collections.abc.Mapping):
    """Location -> Share, in the operator's order; never changed, replaced.

    Threads that hold an old table go on with a consistent one.
    """

    def __init__(self, shares=()):
        self._shares = {share.location: share for share in shares}

    def __getitem__(self, location):
        return self._shares[location]

    def __iter__(self):
        return iter(self._shares)

    def __len__(self):
        return len(self._shares)


def is_location(text, bare=False):
    """Whether the text reads 'address:/export' (IPv6 in brackets).

    :param bare: an IPv6 address need not be in brackets
    """
    return (_LOCATION.match(text) is not None or
            bare and _BARE.match(text) is not None)


def parse(text, bare=False):
    """Read a shares file.

    :param bare: as in is_location
    :returns: (Table, complaints): a complaint for each line that cannot be
              used, which is left out. Of two lines with the same share the
              first one counts.
    """
    shares = collections.OrderedDict()
    complaints = []
    for number, line in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub('', line).strip()
        if not line:
            continue
        share = _parse_line(line, bare)
        if share is None:
            complaints.append('line %d: "%s" is not of the form '
                              'address:/export [-o options]'
                              % (number, line))
        elif share.location in shares:
            complaints.append('line %d: share %s is there twice, the first '
                              'line counts' % (number, share.location))
        else:
            shares[share.location] = share
    return Table(shares.values()), complaints


def _parse_line(line, bare):
    fields = line.split(None, 1)
    location = fields[0].replace('\\040', ' ')
    options = fields[1].strip() if len(fields) > 1 else None
    if not is_location(location, bare):
        return None
    if options is not None and not options.startswith('-'):
        # Most likely a blank in the export that was not written \040.
        return None
    return Share(location, options)
