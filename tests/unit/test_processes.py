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

"""Ending the processes of others: those that are meant, and no others."""

import os
import signal

import pytest

from remotefs_drivers.qemu import processes

#: Process id -> its arguments; None: it ends while it is looked at.
ALL = {
    11: ['/usr/sbin/glusterfs', '--volfile-id=/v', '/mnt/a'],
    12: ['glusterfs', '/mnt/a'],
    21: ['/usr/sbin/glusterfs', '--volfile-id=/v', '/mnt/ab'],
    22: ['/usr/sbin/glusterfsd', '/mnt/a'],
    23: ['/mnt/a'],
    24: ['cat', 'glusterfs', '/mnt/a'],
    25: ['/usr/sbin/glusterfs', '/mnt/a', '-x'],
    26: [],
    27: None,
}


@pytest.fixture
def killed(tmp_path, monkeypatch):
    real = open
    for pid, argv in ALL.items():
        (tmp_path / str(pid)).mkdir()
        if argv is not None:
            (tmp_path / str(pid) / 'cmdline').write_bytes(b''.join(
                word.encode() + b'\0' for word in argv))
    (tmp_path / 'self').mkdir()
    monkeypatch.setattr(processes, 'open', lambda path, *args: real(
        path.replace('/proc', str(tmp_path), 1), *args), raising=False)
    names = os.listdir(str(tmp_path))
    monkeypatch.setattr(os, 'listdir', lambda path: names)
    signals = []
    monkeypatch.setattr(os, 'kill', lambda *given: signals.append(given))
    return signals


def test_those_that_are_meant(killed):
    assert set(processes.end('glusterfs', '/mnt/a')) == {11, 12}
    assert set(killed) == {(11, signal.SIGKILL), (12, signal.SIGKILL)}


def test_none(killed):
    assert processes.end('glusterfs', '/mnt/none') == []
    assert killed == []


def test_one_that_ends_meanwhile(killed, monkeypatch):
    def kill(*unused):
        raise ProcessLookupError()
    monkeypatch.setattr(os, 'kill', kill)
    assert set(processes.end('glusterfs', '/mnt/a')) == {11, 12}
