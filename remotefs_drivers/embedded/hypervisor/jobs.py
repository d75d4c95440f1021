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

"""Block jobs: what QEMU does to the files of a running guest.

They are polled: a job that is "ready" has to be told to complete, one that
is "concluded" keeps its error until it is dismissed.
"""

import time

from remotefs_drivers.embedded import errors

# Seconds between two looks.
_TICK = 0.01

# Seconds.
LIMIT = 600


def run(execute, command, identity, watch=None, limit=LIMIT, **arguments):
    """Start a job and wait until it has done all.

    :param execute: function that runs a QMP command
    :param command: 'block-commit' or 'block-stream'
    :param identity: a name that no other job of this QEMU has
    :param watch: called with QEMU's description of the job on each look:
        a dictionary with 'status', 'current-progress', 'total-progress'
    :param limit: seconds
    :raises GuestFailed: when it fails, or QEMU ends
    :raises Timeout: and the job is cancelled
    """
    execute(command, job_id=identity, auto_dismiss=False, **arguments)
    deadline = time.monotonic() + limit
    is_told = False
    while True:
        job = _find(execute, identity)
        if watch:
            watch(job)
        if job['status'] == 'concluded':
            break
        if job['status'] == 'ready' and not is_told:
            is_told = _complete(execute, identity)
        if time.monotonic() > deadline:
            execute('job-cancel', id=identity)
            raise errors.Timeout('%s took more than %d seconds.'
                                 % (command, limit))
        time.sleep(_TICK)
    execute('job-dismiss', id=identity)
    if 'error' in job:
        raise errors.GuestFailed('%s failed: %s' % (command, job['error']))


def _complete(execute, identity):
    """:returns: whether it was taken; a job that pauses takes nothing"""
    try:
        execute('job-complete', id=identity)
    except errors.GuestFailed:
        return False
    return True


def _find(execute, identity):
    for job in execute('query-jobs'):
        if job['id'] == identity:
            return job
    raise errors.GuestFailed('The job %s is gone.' % identity)
