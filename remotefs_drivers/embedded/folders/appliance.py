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

"""FolderAppliance: the interface, one transaction for each call."""

import contextlib
import dataclasses
import errno
import os
import threading
import types
from typing import Callable

from oslo_config import cfg

from remotefs_drivers.appliances import interface
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded.folders import tree
from remotefs_drivers import errors

folder_opts = [
    cfg.StrOpt('folders_root',
               help='Absolute path of the folder that the shares are in.'),
    cfg.StrOpt('folders_kind',
               default=rules.DEPENDENT,
               choices=rules.KINDS,
               help='What kind of box it behaves like.'),
    cfg.StrOpt('folders_address',
               default='127.0.0.1',
               help='What stands before the path in locations.'),
    cfg.IntOpt('folders_total',
               help='Bytes that it says it has. Not set, what the file '
                    'system has.'),
    cfg.StrOpt('folders_faults',
               help='File of the faults to come. Not set, the file .faults '
                    'in the root.'),
    cfg.BoolOpt('folders_durable',
                default=False,
                help='What it did survives a crash of the machine, too.'),
    cfg.IntOpt('folders_timeout',
               default=60,
               min=1,
               help='Seconds to wait for others who use it.'),
]

#: Answers that mean that there is no room.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class KeyReused(Exception):
    """The same key came with another request."""


@dataclasses.dataclass(frozen=True)
class _Once:
    key: str
    request: str
    encode: Callable
    decode: Callable


def at(root, **kwargs):
    """One without a configuration file.

    :param kwargs: values of the options, without 'folders_'
    :returns: FolderAppliance
    """
    values = {option.dest: option.default for option in folder_opts}
    values.update(folders_root=str(root), **{
        'folders_%s' % name: value for name, value in kwargs.items()})
    return FolderAppliance(types.SimpleNamespace(**values))


class FolderAppliance(interface.Appliance):
    """Shares are folders below one root. For tests: embedded only.

    A snapshot is a copy, by shared blocks where the file system can, made
    file by file: it is of one moment as long as nobody writes meanwhile,
    since nothing here can stop who does.

    :ivar faults: faults.Faults
    """

    remote = False

    def __init__(self, configuration):
        super().__init__(configuration)
        root = configuration.folders_root
        if not root or not os.path.isabs(root):
            raise errors.ShareConfigInvalid(
                option='folders_root',
                reason='"%s" is not an absolute path' % root)
        self._tree = tree.Tree(root, configuration.folders_durable)
        self._place = '%s:%s' % (configuration.folders_address, root)
        self._kind = configuration.folders_kind
        self._total = configuration.folders_total
        self._timeout = configuration.folders_timeout
        self._local = threading.local()
        self.faults = faults.Faults(configuration.folders_faults or
                                    os.path.join(root, '.faults'))

    @staticmethod
    def get_options():
        return folder_opts

    def check(self):
        return self._call('check', (), 'check itself', None)

    def offers(self, method):
        return self._kind != rules.RIGID or method not in rules.NOT_RIGID

    # Shares

    def create_share(self, name, size):
        return self._call('create_share', (name,), 'create share %s' % name,
                          lambda does: does.create_share(name, size))

    def delete_share(self, name, snapshots=()):
        return self._call('delete_share', (name,), 'delete share %s' % name,
                          lambda does: does.delete_share(name, snapshots),
                          lambda does: does.half_of_delete_share(name,
                                                                 snapshots))

    def resize_share(self, name, size):
        return self._call('resize_share', (name,), 'resize share %s' % name,
                          lambda does: does.resize_share(name, size))

    def rename_share(self, name, new_name):
        return self._call('rename_share', (name, new_name),
                          'rename share %s to %s' % (name, new_name),
                          lambda does: does.rename_share(name, new_name))

    def find_share(self, name):
        return self._call('find_share', (name,), 'find share %s' % name,
                          lambda does: does.find_share(name))

    def list_shares(self):
        return self._call('list_shares', (), 'list its shares',
                          lambda does: does.list_shares())

    # Snapshots

    def create_snapshot(self, share, name):
        return self._call(
            'create_snapshot', (share, name),
            'create snapshot %s of share %s' % (name, share),
            lambda does: does.create_snapshot(share, name))

    def create_snapshots(self, shares, name):
        return self._call(
            'create_snapshots', (*shares, name),
            'create snapshots %s of shares %s' % (name, ', '.join(shares)),
            lambda does: does.create_snapshots(shares, name))

    def delete_snapshot(self, share, name):
        return self._call('delete_snapshot', (share, name),
                          'delete snapshot %s of share %s' % (name, share),
                          lambda does: does.delete_snapshot(share, name))

    def rename_snapshot(self, share, name, new_name):
        return self._call(
            'rename_snapshot', (share, name, new_name),
            'rename snapshot %s of share %s to %s' % (name, share, new_name),
            lambda does: does.rename_snapshot(share, name, new_name))

    def clone_snapshot(self, share, snapshot, name, size):
        return self._call(
            'clone_snapshot', (share, snapshot, name),
            'clone snapshot %s of share %s to %s' % (snapshot, share, name),
            lambda does: does.clone_snapshot(share, snapshot, name, size))

    def promote(self, share):
        return self._call('promote', (share,), 'promote share %s' % share,
                          lambda does: does.promote(share))

    def roll_back(self, share, snapshot):
        return self._call('roll_back', (share, snapshot),
                          'roll back share %s to %s' % (share, snapshot),
                          lambda does: does.roll_back(share, snapshot))

    # Room

    def capacity(self):
        return self._call('capacity', (), 'tell its capacity', None)

    def _capacity(self):
        if self._total is None:
            free, total = self._tree.free_and_total()
            return interface.Capacity(total, free)
        return interface.Capacity(
            self._total, max(0, self._total - self._tree.used()))

    # How a call is made

    @contextlib.contextmanager
    def once(self, key, request, encode, decode):
        """Calls of this thread are made once for a key.

        What the call returned is kept with what it changed, in one step, so
        that the next one with that key returns the same and does nothing.
        An error did nothing: it is not kept.

        :param key: a text
        :param request: a text: what is asked for
        :param encode: makes plain values of what the method returns
        :param decode: makes that of plain values
        :raises KeyReused: the key was of another request
        """
        self._local.once = _Once(key, request, encode, decode)
        try:
            yield
        finally:
            self._local.once = None

    def forget(self, seconds):
        """What was done for keys so long ago."""
        self._tree.forget_answers(seconds)

    def _call(self, method, names, what, decide, half=None):
        """One call, with what goes wrong with it.

        :param names: that it is about
        :param decide: takes Rules, and returns an Outcome; None for a call
                       that is about all of it
        :param half: the same, of half of it; None where half of it is what
                     the next call finishes
        """
        self.faults.note(method)
        fault = self.faults.next(method, names)
        kind = fault and fault.kind
        self._begin(fault, names, what)
        if kind in (faults.HALF, faults.DIE):
            self._do(what, half or decide, self._end_of(kind, what),
                     half is None)
            # There was nothing to do, or half of it is done.
            self._end_of(kind, what)()
        result = self._do(what, decide)
        if kind == faults.DIE_AFTER:
            faults.kill()
        if kind == faults.LOSE_ANSWER:
            raise self._lost(what)
        return result

    def _begin(self, fault, names, what):
        if fault is None:
            return
        if fault.kind == faults.REFUSE:
            share, *others = (*names, '')
            raise getattr(errors, fault.error)(
                appliance=self.name, what=what, share=share,
                snapshot=others[0] if others else '',
                reason='it was told to fail', remedy='Tell it not to.')
        if fault.kind == faults.LOSE_REQUEST:
            raise self._lost(what)
        if fault.kind == faults.HANG and not self.faults.wait(fault):
            raise self._lost(what)

    def _end_of(self, kind, what):
        def end():
            if kind == faults.DIE:
                faults.kill()
            raise self._lost(what)
        return end

    def _do(self, what, decide, cut=lambda: None, is_whole=True):
        once = is_whole and getattr(self._local, 'once', None)
        with self._translated(what):
            with self._tree.locked(self._timeout):
                if decide is None:
                    return self._capacity()
                if once:
                    return self._do_once(decide, cut, once)
                table, outcome, is_change = self._decide(decide)
                if is_change:
                    self._tree.commit(table, outcome, cut)
                return outcome.result

    def _do_once(self, decide, cut, once):
        kept = self._tree.answer(once.key)
        if kept:
            if kept['request'] != once.request:
                raise KeyReused(once.key)
            return once.decode(kept['answer'])
        table, outcome, __ = self._decide(decide)
        self._tree.commit(table, outcome, cut, (once.key, {
            'request': once.request,
            'answer': once.encode(outcome.result)}))
        return outcome.result

    def _decide(self, decide):
        """(table, outcome, whether that changes anything)."""
        table = self._tree.load()
        before = table.as_json()
        outcome = decide(rules.Rules(self._kind, table, self.name,
                                     self._place, self._total))
        return table, outcome, bool(outcome.after or
                                    table.as_json() != before)

    @contextlib.contextmanager
    def _translated(self, what):
        try:
            yield
        except tree.Busy:
            raise self._lost(what, 'others use it for too long')
        except (OSError, ValueError) as error:
            is_full = getattr(error, 'errno', None) in _FULL
            raise (errors.ApplianceFull if is_full else
                   errors.ApplianceError)(
                appliance=self.name, what=what, reason=str(error))

    def _lost(self, what, reason='it was told to lose it'):
        return errors.ApplianceUnavailable(appliance=self.name, what=what,
                                           reason=reason)
