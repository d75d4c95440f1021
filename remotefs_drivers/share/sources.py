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

"""Where the table of shares comes from: a file, two options, a list.

A source has ``name``, what to tell the operator, and ``read()``, which
returns a new table; it complains in the log about what it leaves out.
"""

import os

from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers.share import table

LOG = logging.getLogger(__name__)


class SharesFile:
    """A shares file; read again only after it has changed.

    :param option: the name of the option that names it
    :param bare: as in table.is_location
    """

    def __init__(self, path, option, bare=False):
        self.name = 'the shares file %s' % path
        self._path = path
        self._option = option
        self._bare = bare
        self._seen = None
        self._table = table.Table()

    def read(self):
        """The table as the file now has it.

        :raises SharesConfigUnreadable: when it cannot be read
        """
        try:
            seen = self._stamp()
            if seen != self._seen:
                self._table = self._parse()
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            raise errors.SharesConfigUnreadable(
                path=self._path, option=self._option, reason=str(error))
        return self._table

    def _stamp(self):
        status = os.stat(self._path)
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _parse(self):
        with open(self._path, encoding='utf-8') as stream:
            shares, complaints = table.parse(stream.read(),
                                             self._bare)
        for complaint in complaints:
            LOG.error('%s, %s', self._path, complaint)
        return shares


class Fixed:
    """Shares that options name; they do not change while we run."""

    def __init__(self, name, shares):
        self.name = name
        self._table = table.Table(shares)

    def read(self):
        return self._table
