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

"""Processes that others have started, and that must end."""

import contextlib
import os
import signal


def end(program, last):
    """Kill all processes of a program with a certain last argument.

    :param program: its name, without a path
    :param last: the last argument, all of it
    :returns: their process ids
    """
    found = [pid for pid in map(int, filter(str.isdigit,
                                            os.listdir('/proc')))
             if _is(pid, program, last)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _is(pid, program, last):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as stream:
            argv = os.fsdecode(stream.read()).split('\0')[:-1]
    except OSError:
        # It has ended meanwhile.
        return False
    return (len(argv) > 1 and os.path.basename(argv[0]) == program and
            argv[-1] == last)
