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

"""Ports of a cloud: chosen once, kept in its directory, never shared.

The parent listens and hands the socket to its child, so no other process
can take the port between choice and use, and a second cloud on the same
directory fails here instead of getting half of the connections: eventlet's
and gunicorn's own sockets would share the port by SO_REUSEPORT.
"""

import errno
import json
import os
import random
import socket
import time

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors

_FILE = 'ports.json'
_BACKLOG = 128
_TRIES = 100

# Seconds that killed workers get to let go of the port.
_PATIENCE = 10
_TICK = 0.05

# Below these only services of the system listen.
_LOWEST = 10000


def load(spec):
    """The ports written down at the first start, or None.

    :returns: config.Ports
    """
    try:
        with open(spec.path(_FILE)) as kept:
            return config.Ports(**json.load(kept))
    except FileNotFoundError:
        return None


def save(spec, ports):
    beside = spec.path(_FILE + '.new')
    with open(beside, 'w') as kept:
        json.dump({'cinder': ports.cinder, 'glance': ports.glance}, kept)
    os.replace(beside, spec.path(_FILE))


def listen(port=None):
    """A listening socket on the loopback address.

    :param port: the port, or None for a free one
    :raises PortTaken: when somebody else has it
    """
    if port is None:
        return _listen_anywhere()
    deadline = time.monotonic() + _PATIENCE
    while True:
        server = _listen_unless_taken(port)
        if server:
            return server
        if time.monotonic() > deadline:
            raise errors.PortTaken(
                'Port %d of this cloud is in use: it is running already, or '
                'something else took the port. Stop that, or remove %s from '
                'the cloud\'s directory to get other ports.' % (port, _FILE))
        time.sleep(_TICK)


def _listen_anywhere():
    """Prefers a port that the kernel gives to no outgoing connection.

    A port from the kernel's own range could be lent to some client while
    the cloud is down, and the restart would fail.
    """
    candidates = _quiet_ports()
    for _attempt in range(_TRIES if candidates else 0):
        server = _listen_unless_taken(random.choice(candidates))
        if server:
            return server
    return _listen(0)


def _quiet_ports():
    try:
        with open('/proc/sys/net/ipv4/ip_local_port_range') as limits:
            low, _high = map(int, limits.read().split())
    except (OSError, ValueError):
        return ()
    return range(_LOWEST, low)


def _listen_unless_taken(port):
    try:
        return _listen(port)
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        return None


def _listen(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Only lets us in while old connections time out; two listeners on
        # one port are still refused.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((config.ADDRESS, port))
        server.listen(_BACKLOG)
    except OSError:
        server.close()
        raise
    return server
