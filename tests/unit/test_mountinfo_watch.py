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

"""When the table of mounts is read again, with a kernel of our own."""

import select
import threading
import types

import pytest

from remotefs_drivers import offload
from remotefs_drivers.share import mountinfo

LONG = 120
LINE = '40 22 0:45 / /mnt/c7 rw - nfs4 %s rw\n'


class Kernel:
    """Mounts, and poll(), which tells of a change once.

    :ivar reading: called when it was read, with how often
    :ivar reads: how often it was read
    """

    def __init__(self, path):
        self._path = path
        self._news = False
        self.reading = lambda number: None
        self.reads = 0
        self.set('')

    def set(self, source):
        """Let this be mounted, and nothing else."""
        self._path.write_text(LINE % source if source else '')
        self._news = True

    def modules(self, name):
        fakes = {'select': types.SimpleNamespace(poll=lambda: self,
                                                 POLLPRI=select.POLLPRI)}
        return fakes.get(name, threading)

    def register(self, stream, events):
        assert stream.name == str(self._path)
        assert events == select.POLLPRI
        # What was before is no news to who has just opened it.
        self._news = False

    def poll(self, timeout):
        assert timeout == 0
        news, self._news = self._news, False
        return [(7, select.POLLPRI | select.POLLERR)] if news else []


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    made = Kernel(tmp_path / 'mountinfo')
    real = mountinfo.Watch._read

    def read(watch):
        made.reads += 1
        found = real(watch)
        made.reading(made.reads)
        return found
    monkeypatch.setattr(mountinfo, 'PATH', str(tmp_path / 'mountinfo'))
    monkeypatch.setattr(offload, 'original', made.modules)
    monkeypatch.setattr(mountinfo.Watch, '_read', read)
    return made


@pytest.fixture
def watch(kernel):
    made = mountinfo.Watch()
    yield made
    made.close()


def source(watch):
    mount = watch.lookup()('/mnt/c7')
    return mount and mount.source


def test_nothing_is_opened_before_it_is_asked(kernel, tmp_path):
    """Cinder forks after it has built the driver."""
    (tmp_path / 'mountinfo').unlink()
    watch = mountinfo.Watch()
    with pytest.raises(FileNotFoundError):
        watch.lookup()
    kernel.set('nas:/a')
    assert source(watch) == 'nas:/a'
    watch.close()


def test_it_is_read_once_while_nothing_changes(kernel, watch):
    kernel.set('nas:/a')
    assert [source(watch) for __ in range(3)] == ['nas:/a'] * 3
    assert kernel.reads == 1


def test_each_change_is_seen_at_once(kernel, watch):
    for expected in ('nas:/a', 'nas:/b', None, 'nas:/a'):
        kernel.set(expected)
        assert source(watch) == expected
    assert kernel.reads == 4


def test_a_change_while_it_is_read(kernel, watch):
    """A large table comes in parts: a line may be missing."""
    kernel.reading = lambda number: number == 1 and kernel.set('nas:/b')
    assert source(watch) == 'nas:/b'
    assert kernel.reads == 2


@pytest.mark.parametrize('error', [OSError(24, 'Too many'), SystemExit()])
def test_a_table_that_cannot_be_read_leaves_no_old_one(kernel, watch,
                                                       error):
    """The kernel has told of the change, and will not do it again."""
    source(watch)

    def fail(number):
        raise error
    kernel.reading = fail
    kernel.set('nas:/b')
    with pytest.raises(type(error)):
        watch.lookup()
    kernel.reading = lambda number: None
    assert source(watch) == 'nas:/b'


def test_who_comes_while_another_reads_gets_the_new_one(kernel, watch):
    """The other one has used up the news."""
    source(watch)
    told, end = threading.Event(), threading.Event()

    def wait(number):
        told.set()
        assert end.wait(LONG)
    kernel.reading = wait
    kernel.set('nas:/b')
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(source(watch)))
               for __ in range(3)]
    threads[0].start()
    assert told.wait(LONG)
    for thread in threads[1:]:
        thread.start()
        thread.join(0.05)
    # Nobody has gone on with the old one.
    assert seen == []
    end.set()
    for thread in threads:
        thread.join(LONG)
    assert seen == ['nas:/b'] * 3
    assert kernel.reads == 2


def test_a_child_of_a_fork_opens_its_own(kernel, monkeypatch):
    parents = mountinfo.Watch()
    monkeypatch.setattr(mountinfo, '_watch', parents)
    mountinfo.find('/mnt/c7')
    mountinfo._start_again()
    assert mountinfo._watch is not parents
    assert parents._stream.closed
    kernel.set('nas:/a')
    assert mountinfo.find('/mnt/c7').source == 'nas:/a'
    mountinfo._watch.close()


def test_one_that_never_looked_can_fork_too(kernel, monkeypatch):
    monkeypatch.setattr(mountinfo, '_watch', mountinfo.Watch())
    mountinfo._start_again()
    assert mountinfo.find('/mnt/c7') is None
    mountinfo._watch.close()
