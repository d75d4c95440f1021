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


"""Appliances that are asked over SSH: one program, one answer a method.

A program for a shell (``scripts/``) does what a method needs on the
appliance, checks included, so that each method costs one round trip. It is
sent along, or installed there. ``answers`` explains what it says.
"""

import functools
import importlib.resources
import shlex
import uuid

from oslo_utils import units

from remotefs_drivers.appliances import answers
from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import ssh
from remotefs_drivers import errors
from remotefs_drivers import options
from remotefs_drivers import settings

# What a limit has room for besides the file: its maps and the root folder.
_PART = 64
_FIXED = 16 * units.Mi

# For uuid5: exports keep their identity over restarts and roll backs.
_EXPORTS = uuid.UUID('5b4d3c4e-8a53-4c0c-9df2-9a4f6c5e7d11')


def limit_for(size):
    """The limit, in bytes, of a share that must take so large a file."""
    return size + size // _PART + _FIXED


def size_within(limit):
    """The largest file, in bytes, that surely fits within a limit."""
    return max(-(-(limit - _FIXED) * _PART // (_PART + 1)), 0)


class ScriptedAppliance(interface.Appliance):
    """See interface.Appliance for its methods.

    :cvar remote: it waits in the standard library's sockets and threads, so
                  under eventlet it is called from green threads
    """

    #: The file in scripts/ with the verbs of this kind.
    script = None

    remote = True

    def __init__(self, configuration):
        super().__init__(configuration)
        self._settings = settings.read_appliance_ssh(configuration)
        self._line = ssh.Line(self.name, ssh.Access(
            self._settings.host, self._settings.port, self._settings.login,
            self._settings.password, self._settings.key,
            self._settings.limit))

    @staticmethod
    def get_options():
        return options.nas_opts + options.appliance_ssh_opts

    @property
    def name(self):
        return '%s:%s' % (self._settings.host, self._settings.root)

    def check(self):
        self._ask(self._about('get ready'), 'check', self._settings.exports)

    def close(self):
        self._line.close()

    def _about(self, what, **names):
        return answers.Question(self.name, what, **names)

    def _ask(self, question, verb, *arguments):
        """One round trip.

        :returns: what the program said, str
        """
        answer = self._line.run(self._command(verb, *arguments),
                                question.what)
        return answers.text_of(question, answer)

    def _command(self, verb, *arguments):
        """bytes, for a shell: every word is quoted."""
        words = [*self._program(), self._settings.root, verb,
                 *map(str, arguments)]
        return ' '.join(map(shlex.quote, words)).encode(
            'utf-8', 'surrogateescape')

    def _program(self):
        become = []
        if self._settings.sudo and self._settings.login != 'root':
            become = ['sudo', '-n', '--']
        if self._settings.program:
            return [*become, self._settings.program]
        return [*become, 'sh', '-c', program(self.script), 'remotefs']

    def _location(self, path):
        address = self._settings.address
        if ':' in address and not address.startswith('['):
            address = '[%s]' % address
        return '%s:%s' % (address, path)

    def _clients(self, name):
        """What the share is exported to, as a line of exports(5) has it.

        A number of its own keeps shares apart that one file system holds.
        """
        number = uuid.uuid5(_EXPORTS, '%s/%s' % (self._settings.root, name))
        return ' '.join(_with_number(client, number) for client
                        in self._settings.exports.split())

    def _failure(self, question, reason):
        return errors.ApplianceError(appliance=question.appliance,
                                     what=question.what, reason=reason)


@functools.lru_cache(maxsize=None)
def program(script):
    """The whole program of a kind of appliance, as text.

    It stands alone: what it is started with is ROOT VERB [ARGUMENT ...].
    """
    folder = importlib.resources.files(__package__) / 'scripts'
    return ''.join((folder / name).read_text()
                   for name in ('common.sh', script))


def _with_number(client, number):
    host, __, rest = client.partition('(')
    given = [option for option in rest.rstrip(')').split(',') if option]
    if not any(option.startswith('fsid=') for option in given):
        given.append('fsid=%s' % number)
    return '%s(%s)' % (host, ','.join(given))
