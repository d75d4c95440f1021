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

"""One run of an mm* program: its command line, and how it is refused."""

import errno
import os

from remotefs_drivers.embedded.gpfs import beneath


class Refused(Exception):
    """:param code: exit code"""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


class CutOff(Refused):
    """It was ended in the midst of its work, on demand."""


class Call:
    """A command line, taken apart: see commands.Programs for its parts."""

    def __init__(self, cluster, site, arguments, host, caller, paths, half):
        self.cluster = cluster
        self.site = site
        self.host = host
        self.paths = paths
        self.caller = caller
        self.half = half
        self._words = list(arguments)

    def options(self, flags, with_value=()):
        """Take options out: their names, and the values of those with one.
        """
        found, left = {}, []
        words = iter(self._words)
        for word in words:
            if word in with_value:
                found[word] = next(words, None)
            elif word in flags:
                found[word] = True
            elif word.startswith('-'):
                raise Refused('Incorrect option: %s' % word)
            else:
                left.append(word)
        self._words = left
        return found

    def only(self, flag, words=0):
        """The words, where there is no option but one."""
        self.options((flag,))
        return self.words(words)

    def words(self, count):
        """:param count: how many there must be, None for any number"""
        if count is not None and len(self._words) != count:
            raise Refused('Incorrect number of arguments.')
        return self._words

    def cut_off(self):
        """:raises CutOff: when that is wanted"""
        if self.half:
            raise CutOff('Killed')

    def device(self, count):
        """The words of a command line, of which the first is the device."""
        words = self.words(count)
        if not words or words[0] not in (self.site.device,
                                         '/dev/' + self.site.device):
            raise Refused('File system %s is not known to the GPFS cluster.'
                          % (words[0] if words else ''))
        return words

    def path(self, given):
        """Beneath, of something that is there."""
        path = self.paths.get(given)
        if path is None:
            raise Refused('%s is not in a GPFS file system.' % given)
        os.stat(path, follow_symlinks=False)
        return path

    def regular(self, given):
        path = self.path(given)
        if not beneath.is_regular(path):
            raise Refused('%s is not a regular file.' % given)
        return path

    def new(self, given, beside=None):
        """Beneath, of something that is not there.

        :param beside: path beneath of what must be in the same fileset
        """
        path = self.paths.get(given)
        if path is None:
            raise refused(errno.EXDEV)
        if self.cluster.snapshot_of(path):
            raise refused(errno.EROFS)
        if os.path.lexists(path):
            raise refused(errno.EEXIST)
        if beside is not None and (self.cluster.fileset_of(path) is not
                                   self.cluster.fileset_of(beside)):
            raise refused(errno.EXDEV)
        return path


def own(path, owner):
    """Give a new file to somebody: (uid, gid)."""
    if os.geteuid() == 0:
        os.chown(path, *owner)


def refused(number):
    return OSError(number, os.strerror(number))
