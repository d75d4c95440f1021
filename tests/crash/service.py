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

"""A service in a process of its own, which can be killed and begun again.

Whoever asks has threads (a hypervisor, a guest that writes), so that nothing
can be forked from there. A nursery is forked before: it does nothing but
fork services, one at a time, which take requests from the same connection.
"""

import multiprocessing
import os
import signal
import traceback

_START, _DO = 'start', 'do'
_READY, _DONE, _FAILED, _DIED = 'ready', 'done', 'failed', 'died'


class Died(Exception):
    """The service was killed before it answered."""


class Failed(Exception):
    """What was asked for raised; the message is the traceback there."""


class Service:
    """To be made while this process has no threads.

    :param prepare: function, called once in the nursery
    :param begin: function of what that returned and of what ``start`` is
        given, called in each service; returns the object whose methods can
        be asked for
    :ivar pid: of the service, None when there is none
    """

    def __init__(self, prepare, begin):
        self.pid = None
        self._connection, other = multiprocessing.Pipe()
        pid = os.fork()
        if pid == 0:
            self._connection.close()
            _nurse(other, prepare, begin)
        other.close()

    def start(self, *args):
        """Begin a service, when there is none."""
        assert self.pid is None
        self._connection.send((_START, args))
        self.pid = self._receive()

    def do(self, name, *args):
        """Call a method there.

        :returns: what it returned
        :raises Died, Failed:
        """
        self._connection.send((_DO, (name, args)))
        return self._receive()

    def strike(self):
        """SIGKILL; from any thread, while something is done."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self):
        """SIGKILL, and wait for that, whatever it was doing."""
        if self.pid is None:
            return
        self.strike()
        self.bury()

    def bury(self):
        """Wait until it is dead, which it is about to be."""
        while self.pid is not None:
            try:
                self._receive()
            except (Died, Failed):
                pass

    def _receive(self):
        kind, value = self._connection.recv()
        if kind == _DIED:
            self.pid = None
            assert value == signal.SIGKILL, value
            raise Died()
        if kind == _FAILED:
            raise Failed(value)
        return value


def _nurse(connection, prepare, begin):
    """Fork services until nobody asks any more."""
    try:
        prepared = prepare()
        while True:
            what, args = connection.recv()
            if what == _DO:
                # It was for one that died before it got it.
                continue
            pid = os.fork()
            if pid == 0:
                _serve(connection, begin, prepared, args)
            __, status = os.waitpid(pid, 0)
            connection.send((_DIED, status))
    except (EOFError, OSError):
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _serve(connection, begin, prepared, args):
    try:
        methods = begin(prepared, *args)
        connection.send((_READY, os.getpid()))
        while True:
            __, (name, args) = connection.recv()
            connection.send(_answer(methods, name, args))
    except (EOFError, OSError):
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _answer(methods, name, args):
    try:
        return _DONE, getattr(methods, name)(*args)
    except Exception:
        return _FAILED, traceback.format_exc()
