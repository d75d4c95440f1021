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

"""Sees to it that a test starts no child process.

The unit tests are the ring that anybody can run anywhere within seconds. A
child process is slow, and needs a program that may not be there. Python
announces each new process as an audit event, whichever module starts it, so
nothing has to be patched for it. qemu.children announces those that it has
started by another process.
"""

import contextlib
import sys

#: What Python's own modules announce, see "Audit events table" in its manual,
#: and ours; not by its constant, which would take all of Cinder along.
_EVENTS = frozenset(['os.exec', 'os.fork', 'os.forkpty', 'os.posix_spawn',
                     'os.spawn', 'os.system', 'pty.spawn',
                     'remotefs_drivers.qemu.children.start',
                     'subprocess.Popen'])

#: What was started, a list for each block below; the innermost one is last.
_blocks = []


class ChildStarted(AssertionError):
    """A test started a child process where none is allowed."""


@contextlib.contextmanager
def no_children():
    """Refuse new processes while the block runs.

    :raises ChildStarted: where one is started, and again at the end, for
                          the code under test may have swallowed it
    """
    started = []
    _blocks.append(started)
    try:
        yield
    finally:
        _blocks.pop()
    if started:
        raise ChildStarted(started[0])


def _hear(event, args):
    if _blocks and event in _EVENTS:
        what = '%s%r in a unit test' % (event, args[:2])
        _blocks[-1].append(what)
        raise ChildStarted(what)


# A hook cannot be taken out again, so there is one for the process.
sys.addaudithook(_hear)
