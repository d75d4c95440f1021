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
from remotefs_drivers.settings import appliance_ssh as ssh_settings

# What a limit has room for besides the file: its maps and the root folder.
_PART = 64
_FIXED = 16 * units.Mi

# For uuid5: exports keep their identity over restarts and roll backs.
_EXPORTS = uuid.UUID('5b4d3c4e-8a53-4c0c-9df2-9a4f6c5e7d11')


def limit_for(size, times=1):
    """The limit, in bytes, of a share that must take so large a file.

    :param times: see ScriptedAppliance
    """
    return times * size + size // _PART + _FIXED


def size_within(limit, times=1):
    """The largest file, in bytes, that surely fits within a limit."""
    return max(-(-(limit - _FIXED) * _PART // (_PART * times + 1)), 0)


class ScriptedAppliance(interface.Appliance):
    """See interface.Appliance for its methods."""

    #: The file in scripts/ with the verbs of this kind.
    script = None
    #: What a file may take that is written over and over, as a multiple of
    #: its size.
    times = 1

    def __init__(self, configuration):
        super().__init__(configuration)
        self._settings = ssh_settings.read(configuration)
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
        self._check()

    def _check(self):
        """:returns: what else the script found out"""
        return self._ask(self._about('get ready'), 'check',
                         self._settings.exports)

    def close(self):
        self._line.close()

    # Shares

    def create_share(self, name, size):
        question = self._about('create share %s' % name, share=name)
        self._check_new(question, name)
        text = self._ask(question, 'create', name, self._limit(size),
                         self._settings.owner, self._clients(name))
        return self._share(question, name, text)

    def delete_share(self, name, snapshots=()):
        if self._can_be(name):
            self._ask(self._about('delete share %s' % name, share=name),
                      'delete', name, *filter(self._can_be, snapshots))

    def resize_share(self, name, size):
        question = self._about('resize share %s' % name, share=name)
        self._check_share(question, name)
        self._ask(question, 'resize', name, self._limit(size))

    def rename_share(self, name, new_name):
        question = self._about('rename share %s to %s' % (name, new_name),
                               share=name, new=new_name)
        self._check_share(question, name)
        self._check_new(question, new_name)
        text = self._ask(question, 'rename', name, new_name,
                         self._clients(new_name))
        return self._share(question, new_name, text)

    def find_share(self, name):
        if not self._can_be(name):
            return None
        question = self._about('find share %s' % name, share=name)
        text = self._ask(question, 'find', name)
        return self._share(question, name, text) if text else None

    def list_shares(self):
        return self._shares(self._ask(self._about('list its shares'),
                                      'list'))

    # Snapshots

    def create_snapshot(self, share, name):
        question = self._about('snapshot share %s' % share, share=share,
                               snapshot=name)
        self._check_share(question, share)
        self._check_new(question, name)
        self._ask(question, 'snapshot', name, share)
        return interface.Snapshot(name, self._snapshot_id(share, name))

    def delete_snapshot(self, share, name):
        if self._can_be(share) and self._can_be(name):
            question = self._about('delete snapshot %s of share %s'
                                   % (name, share), share=share,
                                   snapshot=name)
            self._ask(question, 'delete_snapshot', share, name)

    def rename_snapshot(self, share, name, new_name):
        question = self._about('rename snapshot %s of share %s to %s'
                               % (name, share, new_name),
                               share=share, snapshot=name, new=new_name)
        self._check_snapshot(question, share, name)
        self._check_new(question, new_name)
        text = self._ask(question, 'rename_snapshot', share, name, new_name)
        return self._renamed(question, share, new_name, text)

    def _renamed(self, question, share, name, text):
        """interface.Snapshot that has a new name.

        :param text: what the script says of its share
        """
        return interface.Snapshot(name, self._snapshot_id(share, name))

    def clone_snapshot(self, share, snapshot, name, size):
        question = self._about('clone snapshot %s of share %s to %s'
                               % (snapshot, share, name),
                               share=share, snapshot=snapshot, new=name)
        self._check_snapshot(question, share, snapshot)
        self._check_new(question, name)
        text = self._ask(question, 'clone', share, snapshot, name,
                         self._limit(size), self._settings.owner,
                         self._clients(name))
        return self._share(question, name, text)

    def promote(self, share):
        question = self._about('promote share %s' % share, share=share)
        self._check_share(question, share)
        self._ask(question, 'promote', share)

    def roll_back(self, share, snapshot):
        question = self._about(
            'roll back share %s to snapshot %s' % (share, snapshot),
            share=share, snapshot=snapshot)
        self._check_snapshot(question, share, snapshot)
        self._ask(question, 'roll_back', share, snapshot)

    # Room

    def capacity(self):
        text = self._ask(self._about('tell its capacity'), 'capacity')
        total, free = map(int, text.split())
        return interface.Capacity(total, free)

    # For subclasses: names, and what the program says of shares

    def _can_be(self, name):
        """Whether a share or a snapshot can have that name."""
        raise NotImplementedError()

    def _share(self, question, name, text):
        """A Share with its snapshots, of what ``describe`` says."""
        raise NotImplementedError()

    def _shares(self, text):
        """A list of Share, of what ``list`` says."""
        raise NotImplementedError()

    def _snapshot_id(self, share, name):
        raise NotImplementedError()

    # Sizes

    def _limit(self, size):
        return limit_for(size, self.times)

    def _size(self, limit):
        return size_within(limit, self.times)

    # Asking

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

    def _check_new(self, question, name):
        if not self._can_be(name):
            raise self._failure(question, 'no share or snapshot there can '
                                'be called %r' % name)

    def _check_share(self, question, name):
        if not self._can_be(name):
            raise errors.ApplianceShareMissing(
                appliance=self.name, what=question.what, share=name)

    def _check_snapshot(self, question, share, name):
        if not (self._can_be(share) and self._can_be(name)):
            raise errors.ApplianceSnapshotMissing(
                appliance=self.name, what=question.what, share=share,
                snapshot=name)

    def _location(self, path):
        address = self._settings.address
        if ':' in address and not address.startswith('['):
            address = '[%s]' % address
        return '%s:%s' % (address, path)

    def _clients(self, name):
        """What the share is exported to, as a line of exports(5) has it.

        A number of its own keeps shares apart that one file system holds.
        """
        whole = '%s/%s' % (self._settings.root, name)
        number = uuid.uuid5(_EXPORTS, ascii(whole))
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
