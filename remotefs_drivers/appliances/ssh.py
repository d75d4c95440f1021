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


"""The way to an appliance by SSH: one command, one answer, one time limit.

Connections are Cinder's (cinder.ssh_utils.SSHPool), kept for the next call,
made at the first one: Cinder forks after it has built the driver. What we
do otherwise than it:

* Private keys of all kinds are taken, not only RSA; and only the one that
  the operator named, no agent's, none of the home folder's.
* A connection that failed is closed and replaced, never used again.
* Nobody waits in eventlet's channel of the pool, which native threads cannot
  use, but at a semaphore.

It waits in sockets and threads of the standard library. Under eventlet
these are green ones, which belong to the thread that made them: it must be
called from green threads, not from a pool of native ones (``remote``).
"""

import base64
import contextlib
import dataclasses
import hashlib
import os
import threading
import time

from cinder import ssh_utils
import paramiko

from remotefs_drivers import errors

#: Connections of a backend that may be open at once. sshd lets 10 strangers
#: wait before it turns some away (MaxStartups).
CONNECTIONS = 8

_CHUNK = 65536

_KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

# What paramiko says, by the exception for a refusal, when nobody answered.
_NO_REFUSAL = ('timeout', 'transport shut down')

# A fresh connection may find an sshd that turned away one of many.
_ATTEMPTS = 2


@dataclasses.dataclass(frozen=True)
class Access:
    """Where an appliance is, and who we are there.

    :ivar key: path of a private key, or None
    :ivar limit: seconds that one answer may take
    """

    host: str
    port: int
    login: str
    password: str = dataclasses.field(repr=False)
    key: str
    limit: int


@dataclasses.dataclass(frozen=True)
class Answer:
    """:ivar status: exit code of the command; -1 where there is none, as
                     when a signal ended it
    """

    status: int
    output: bytes
    complaint: bytes


class _NothingBegun(Exception):
    """The command was not sent; it may be sent again."""


class _UnknownHost(paramiko.SSHException):
    """Its key is not in the file of host keys, so far as that can be read.
    """


class _KeyUnusable(Exception):
    """The private key cannot be read, or is none."""


class Line:
    """Commands for an appliance.

    :param name: of the appliance, for errors
    :param access: Access
    """

    def __init__(self, name, access):
        self.name = name
        self._access = access
        self._lock = threading.Lock()
        self._places = threading.Semaphore(CONNECTIONS)
        self._pool = None

    def run(self, command, what):
        """Have a command run, by the login's shell.

        :param what: what it does, for errors
        :returns: Answer
        :raises ApplianceDenied, ApplianceHostKeyChanged
        :raises ApplianceUnreached: the command was not run
        :raises ApplianceUnavailable: it may have been
        """
        deadline = time.monotonic() + self._access.limit
        with self._place(deadline, what):
            for left in reversed(range(_ATTEMPTS)):
                try:
                    return self._run_once(command, what, deadline)
                except _NothingBegun as error:
                    if not left or time.monotonic() > deadline:
                        raise self._unreached(what, error)

    def close(self):
        """Close what is not in use; the next call connects again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close_free()

    @contextlib.contextmanager
    def _place(self, deadline, what):
        if not self._places.acquire(
                timeout=max(deadline - time.monotonic(), 0)):
            raise self._unreached(
                what, '%d calls were under way for %d seconds'
                % (CONNECTIONS, self._access.limit))
        try:
            yield
        finally:
            self._places.release()

    def _run_once(self, command, what, deadline):
        pool = self._opened()
        client = self._connected(pool, what)
        talk = _Talk(client.get_transport(), deadline)
        try:
            return talk.run(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if talk.is_begun:
                raise self._unavailable(what, talk.reason(error))
            # Those beside it were lost in the same way.
            pool.close_free()
            raise _NothingBegun(talk.reason(error))
        finally:
            pool.put(client)

    def _opened(self):
        with self._lock:
            if self._pool is None:
                try:
                    self._pool = _Pool(self._access)
                except Exception as error:
                    # The file of host keys, or paramiko, is not there.
                    raise errors.ApplianceNotReady(
                        appliance=self.name, reason=str(error),
                        remedy='Make the file that ssh_hosts_key_file names, '
                               'for example with ssh-keyscan, and check who '
                               'answers.')
            return self._pool

    def _connected(self, pool, what):
        try:
            return pool.get()
        except (_UnknownHost, paramiko.BadHostKeyException) as error:
            raise errors.ApplianceHostKeyChanged(
                appliance=self.name, what=what, reason=str(error))
        except _KeyUnusable as error:
            raise self._denied(what, error)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if _is_refusal(error):
                raise self._denied(what, error)
            raise _NothingBegun('%s port %d: %s' % (
                self._access.host, self._access.port, error or 'no answer'))

    def _denied(self, what, error):
        return errors.ApplianceDenied(
            appliance=self.name, what=what, reason='user %s on %s: %s'
            % (self._access.login, self._access.host,
               str(error).rstrip('.')))

    def _unreached(self, what, reason):
        return errors.ApplianceUnreached(appliance=self.name, what=what,
                                         reason=reason)

    def _unavailable(self, what, reason):
        return errors.ApplianceUnavailable(appliance=self.name, what=what,
                                           reason=reason)


def _is_refusal(error):
    return (isinstance(error, paramiko.AuthenticationException) and
            not any(each in str(error) for each in _NO_REFUSAL))


class _Talk:
    """One command on a connection.

    The time limit is a timer that closes the connection: paramiko waits
    without one for the answer to some of its requests.

    :ivar is_begun: whether the command may have reached the other side
    """

    def __init__(self, transport, deadline):
        self.is_begun = False
        self._transport = transport
        self._deadline = deadline
        self._is_over = False

    def run(self, command):
        timer = threading.Timer(max(self._deadline - time.monotonic(), 0),
                                self._give_up)
        timer.daemon = True
        timer.start()
        try:
            answer = self._run(command)
        except BaseException:
            self._transport.close()
            raise
        finally:
            timer.cancel()
        return answer

    def reason(self, error):
        if self._is_over:
            return 'the time limit is over (appliance_ssh_timeout)'
        return str(error) or type(error).__name__

    def _run(self, command):
        with self._transport.open_session() as channel:
            self.is_begun = True
            channel.exec_command(command)
            channel.shutdown_write()
            output = _all_of(channel.recv)
            complaint = _all_of(channel.recv_stderr)
            status = channel.recv_exit_status()
        if self._is_over or not self._transport.is_active():
            # The end of a connection looks like the end of the output.
            raise EOFError('the connection was lost')
        return Answer(status, output, complaint)

    def _give_up(self):
        self._is_over = True
        self._transport.close()


class _Pool(ssh_utils.SSHPool):
    """Cinder's, with the differences that the module's docstring names."""

    def __init__(self, access):
        self._access = access
        super().__init__(access.host, access.port, access.limit,
                         access.login, password=access.password,
                         privatekey=access.key, min_size=0,
                         # Of no use: see Line._places.
                         max_size=CONNECTIONS * 1000, order_as_stack=True)

    def __del__(self):
        # Cinder's would connect anew to what it is about to close.
        self.close_free()

    def create(self):
        client = paramiko.SSHClient()
        for name in self.hosts_key_file.split(','):
            _load_host_keys(client, name)
        client.set_missing_host_key_policy(
            _Policy(self.strict_ssh_host_key_policy))
        try:
            self._connect(client)
        except BaseException:
            client.close()
            raise
        client.get_transport().set_keepalive(self._access.limit)
        return client

    def close_free(self):
        """Let no connection that is not in use be used again."""
        # None, when its construction failed.
        for client in list(getattr(self, 'free_items', ())):
            # get() replaces one whose transport has ended.
            client.get_transport().close()

    def _connect(self, client):
        limit = self._access.limit
        client.connect(self.ip, port=self.port, username=self.login,
                       password=self.password or None,
                       pkey=self._key(), allow_agent=False,
                       look_for_keys=False, timeout=limit,
                       banner_timeout=limit, auth_timeout=limit,
                       channel_timeout=limit)

    def _key(self):
        if not self._access.key:
            return None
        path = os.path.expanduser(self._access.key)
        complaints = []
        for kind in _KEYS:
            for password in {None, self.password or None}:
                try:
                    return kind.from_private_key_file(path, password)
                except Exception as error:
                    # Its own for each kind, and of each release.
                    complaints.append(str(error))
        raise _KeyUnusable('nas_private_key %s cannot be used: %s'
                           % (path, ', '.join(sorted(set(complaints)))))


class _Policy(paramiko.AutoAddPolicy):
    """For a host that is not in the file of host keys."""

    def __init__(self, is_strict):
        self._is_strict = is_strict

    def missing_host_key(self, client, hostname, key):
        if self._is_strict:
            raise _UnknownHost('the key of %s (%s, %s) is not in the file'
                               % (hostname, key.get_name(), _print_of(key)))
        super().missing_host_key(client, hostname, key)


def _load_host_keys(client, name):
    try:
        client.load_host_keys(name)
    except paramiko.hostkeys.InvalidHostKey as error:
        # No exception of SSH, as others of paramiko are.
        raise _UnknownHost('%s has a line that is no key, "%s"'
                           % (name, error.line))


def _all_of(receive):
    return b''.join(iter(lambda: receive(_CHUNK), b''))


def _print_of(key):
    """As ssh-keygen -l shows it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return 'SHA256:%s' % base64.b64encode(digest).decode().rstrip('=')
