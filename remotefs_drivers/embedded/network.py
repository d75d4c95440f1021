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

"""A network of the run's own, which this host reaches and no other does.

    with network.Network() as net:
        subprocess.run(net.inside(['a-server', '--bind', net.address]))

It is a network namespace, joined to this one by a pair of virtual cards. A
process of its own takes it down with all that runs in it, however the one
that made it ended. For root.
"""

import ipaddress
import os
import subprocess
import sys

from remotefs_drivers.embedded import keeper

# Seconds.
_LIMIT = 120
#: Each run has 16 of these addresses, by its process id.
_ALL = ipaddress.ip_network('10.78.0.0/16')
_SIZE = 16
_ALL_6 = 'fd78:%x::%x'
#: Of them: the server's, this host's, and one that nobody has.
_SERVER, _HERE, _NOBODY = 1, 14, 9


class Network:
    """:ivar name: of the namespace
    :ivar address: of the server in it
    :ivar address_6: the same
    :ivar nobody: an address that no host has
    """

    def __init__(self):
        pid = os.getpid()
        self.name = 'remotefs-%d' % pid
        self._number = pid % (_ALL.num_addresses // _SIZE)
        self._cards = ('rfs%dh' % pid, 'rfs%dn' % pid)
        self._watchman = None
        self.address, self.address_6 = self._addresses(_SERVER)
        self.nobody, __ = self._addresses(_NOBODY)

    def __enter__(self):
        self._watchman = keeper.Watchman(__name__, self.name)
        outer, inner = self._cards
        try:
            _ip('netns', 'add', self.name)
            _ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner,
                'netns', self.name)
            self._up(outer, _HERE)
            self._up(inner, _SERVER, via=self.inside([]))
            _ip('link', 'set', 'lo', 'up', via=self.inside([]))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        """:raises Withstood: when it does not go"""
        self._watchman.dismiss()

    def inside(self, argv):
        """The command that runs another one in there."""
        return ['ip', 'netns', 'exec', self.name, *argv]

    def _up(self, card, number, via=()):
        address, address_6 = self._addresses(number)
        _ip('addr', 'add', address + '/28', 'dev', card, via=via)
        _ip('-6', 'addr', 'add', address_6 + '/64', 'dev', card, 'nodad',
            via=via)
        _ip('link', 'set', card, 'up', via=via)

    def _addresses(self, number):
        return (str(_ALL[self._number * _SIZE + number]),
                _ALL_6 % (self._number + 1, number))


def _ip(*argv, via=()):
    subprocess.run([*via, 'ip', *argv], check=True, timeout=_LIMIT)


def _pids(name):
    done = subprocess.run(['ip', 'netns', 'pids', name], timeout=_LIMIT,
                          stdout=subprocess.PIPE, text=True)
    return [int(pid) for pid in done.stdout.split()]


def main(name):
    keeper.wait()
    if name not in os.listdir('/run/netns'):
        return
    left = keeper.end_all(lambda: _pids(name), _LIMIT)
    _ip('netns', 'del', name)
    sys.exit(1 if left else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
