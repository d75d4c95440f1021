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

"""Run a command that dies with the process that asked for it.

Usage: lifeline.py PARENT_PID COMMAND [ARGUMENT ...]

The kernel keeps PR_SET_PDEATHSIG over exec, so this small program sets it
for any command. Doing it between fork and exec instead (``preexec_fn``)
would run Python code in a forked copy of a process with threads, and forbid
vfork. Not imported by anything: it runs as a script, with nothing but the
standard library.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent, *command):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the line above.
    if os.getppid() != int(parent):
        sys.exit('The process %s that started this is gone.' % parent)
    os.execvp(command[0], command)


if __name__ == '__main__':
    main(*sys.argv[1:])
