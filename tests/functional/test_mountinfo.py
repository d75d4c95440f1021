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

"""The kernel's own word on mounts: no change may be missed, by anybody."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from remotefs_drivers.embedded import mounts
from remotefs_drivers.share import mountinfo

LONG = 300

pytestmark = pytest.mark.root

#: Run by a process of its own: eventlet cannot be taken out again.
_GREEN = '''
import eventlet
eventlet.monkey_patch()
import os, select, subprocess, sys
from remotefs_drivers.share import mountinfo
assert not hasattr(select, 'poll')
point = sys.argv[1]

def see():
    return mountinfo.find(point) is not None

assert not see()
for __ in range(3):
    subprocess.run(['mount', '-t', 'tmpfs', 'x', point], check=True)
    assert all(each.wait() for each in [eventlet.spawn(see)
                                        for __ in range(5)])
    child = os.fork()
    if child == 0:
        os._exit(0 if see() else 1)
    assert os.waitpid(child, 0)[1] == 0
    subprocess.run(['umount', point], check=True)
    assert not see()
'''


@pytest.fixture
def points(tmp_path):
    """Folders, enough for a table that the kernel hands out in parts."""
    made = [tmp_path / ('point-%02d' % number) for number in range(60)]
    for point in made:
        point.mkdir()
    yield [str(point) for point in made]
    mounts.unmount_below(tmp_path)


def _mount(point):
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4k', 'none', point],
                   check=True)


def _seen(points):
    return [point for point in points if mountinfo.find(point)]


def test_each_mount_and_unmount_is_seen_at_once(points):
    for number, point in enumerate(points):
        assert _seen(points) == points[:number]
        _mount(point)
    while points:
        assert _seen(points) == points
        subprocess.run(['umount', points[0]], check=True)
        assert mountinfo.find(points.pop(0)) is None


def test_a_remount_is_seen(points):
    _mount(points[0])
    for mode in ('ro', 'rw'):
        subprocess.run(['mount', '-o', 'remount,' + mode, points[0]],
                       check=True)
        assert mountinfo.find(points[0]).read_only is (mode == 'ro')


def test_a_bind_and_a_mount_on_top_are_seen(points):
    _mount(points[0])
    assert mountinfo.find(points[0]) and not mountinfo.find(points[1])
    subprocess.run(['mount', '--bind', points[0], points[1]], check=True)
    assert mountinfo.find(points[0]) and mountinfo.find(points[1])
    subprocess.run(['mount', '-t', 'ramfs', 'upper', points[1]], check=True)
    assert mountinfo.find(points[1]).source == 'upper'
    subprocess.run(['umount', points[1]], check=True)
    assert mountinfo.find(points[1]).source == 'none'


def test_no_thread_goes_on_with_an_old_table(points):
    """Whoever asks after a change sees it, whoever was told of it."""
    point, others = points[0], 4
    barrier = threading.Barrier(others + 1, timeout=LONG)
    wrong, asked = [], []

    def ask():
        for number in range(40):
            barrier.wait()
            asked.append(number)
            if (mountinfo.find(point) is None) is (number % 2 == 0):
                wrong.append(number)
            barrier.wait()
    threads = [threading.Thread(target=ask) for __ in range(others)]
    for thread in threads:
        thread.start()
    for number in range(40):
        if number % 2 == 0:
            _mount(point)
        else:
            subprocess.run(['umount', point], check=True)
        barrier.wait()
        barrier.wait()
    for thread in threads:
        thread.join(LONG)
    assert len(asked) == 40 * others and wrong == []


def test_a_child_of_a_fork_hears_of_it_too(points):
    """The parent, which shares the open file, has used up the news."""
    point = points[0]
    assert mountinfo.find(point) is None
    mine, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        mine.close()
        seen = [mountinfo.find(point) is not None]
        childs.sendall(b'x')
        childs.recv(1)
        seen.append(mountinfo.find(point) is not None)
        os._exit(0 if seen == [False, True] else 1)
    try:
        assert mine.recv(1)
        _mount(point)
        assert mountinfo.find(point)
        mine.sendall(b'x')
    finally:
        # The child finds its end closed, wherever it is.
        childs.close()
        mine.close()
        __, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_under_eventlet(points):
    """Which takes select.poll away."""
    subprocess.run([sys.executable, '-W', 'ignore', '-c', _GREEN, points[0]],
                   check=True, timeout=LONG)
