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

"""Faults in the middle of verbs on snapshots: a clear error, nothing lost.

After each fault the volume and its snapshots hold what they held, and the
next call works.
"""

import dataclasses
import errno
import os
import shutil
import subprocess
import threading

from cinder import exception
from cinder import objects
import pytest

from remotefs_drivers import errors
from remotefs_drivers import names
from tests.functional import content
from tests.functional import stages
from tests.functional import story
from tests.functional import test_hostile as hostile
from tests.harness import small_fs

RAW = {'posix_attach_type': 'nfs'}
BACKENDS = {'raw': RAW, 'qcow2': stages.QCOW2}
#: More than any verb has.
_MOST_STEPS = 40


#: The same on a real GlusterFS.
ON_GLUSTERFS = [pytest.param('glusterfs-' + each, marks=pytest.mark.root)
                for each in sorted(BACKENDS)]
also_on_glusterfs, also_raw_on_glusterfs = (
    pytest.mark.parametrize('one', sorted(BACKENDS) + some, indirect=True)
    for some in (ON_GLUSTERFS, ON_GLUSTERFS[-1:]))


@pytest.fixture(params=sorted(BACKENDS))
def one(request, rig, tmp_path):
    """A story with three snapshots, on a backend of each format."""
    kind, __, file_format = request.param.rpartition('-')
    if kind:
        driver = request.getfixturevalue('place').driver(
            glusterfs_qcow2_volumes=file_format == 'qcow2')
    else:
        driver = stages.posix(rig, tmp_path / 'share',
                              **BACKENDS[file_format])
    told = story.Story(rig, driver, tmp_path)
    told.take(3)
    return told


# The verbs, and how a user of Cinder tries them again

def _create(one):
    one.snap()


def _delete(place):
    def delete(one):
        one.drop(one.snapshots[place])
    return delete


def _revert(one):
    one.revert(one.snapshots[-1])


VERBS = {'create': _create, 'delete the newest': _delete(-1),
         'delete a middle one': _delete(1), 'delete the oldest': _delete(0),
         'revert': _revert}
every_verb = pytest.mark.parametrize('verb', sorted(VERBS))


def _recovered(one, verb):
    """What was known is there; the verb works, and so does the next one.

    A snapshot whose creation failed is deleted first, as a user would.
    """
    state = dict(one.state)
    if verb == 'revert':
        assert _holds_one_of(one, [state, one.held[one.snapshots[-1].id]])
    else:
        one.check_file(one.path, one.format(), state)
    _drop_failed(one)
    VERBS[verb](one)
    one.check()


def _drop_failed(one):
    known = {each.id for each in one.snapshots}
    for snapshot in objects.SnapshotList.get_all_for_volume(
            one.rig.context, one.volume.id):
        if snapshot.id not in known:
            one.drop(snapshot)


def _holds_one_of(one, states):
    for state in states:
        try:
            one.check_file(one.path, one.format(), state)
            return True
        except AssertionError:
            pass
    return False


# An error at each step

class _Fault:
    """Lets call number n on the share, or child, fail."""

    CHANGING = frozenset(['create', 'create_overlay', 'remove', 'replace',
                          'write_atomic', 'sync_folder'])

    def __init__(self, driver, number, done, error):
        self.hit = False
        self._number = number
        self._done = done
        self._error = error
        self._count = 0
        self._means = driver._means
        self._driver = driver

    def __enter__(self):
        self._driver._means = dataclasses.replace(
            self._means, files=self, run=self._run)
        return self

    def __exit__(self, *exc_info):
        self._driver._means = self._means

    def __getattr__(self, name):
        function = getattr(self._means.files, name)
        if name not in self.CHANGING:
            return function
        return lambda *args: self._call(
            function, args, {}, OSError(self._error,
                                        os.strerror(self._error), args[0]))

    def _run(self, argv, **kwargs):
        return self._call(self._means.run, (argv,), kwargs,
                          errors.CommandFailed(
                              program=argv[0], exit_code=1,
                              stderr=os.strerror(self._error),
                              command=' '.join(argv)))

    def _call(self, function, args, kwargs, error):
        mine = self._count == self._number
        self._count += 1
        if mine and not self._done:
            self.hit = True
            raise error
        result = function(*args, **kwargs)
        if mine:
            self.hit = True
            raise error
        return result


@pytest.mark.pairs
@also_on_glusterfs
@every_verb
@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize('done', [False, True])
def test_an_error_at_every_step(one, verb, number, done):
    """Whether or not what was asked for was done."""
    for step in range(_MOST_STEPS):
        fault = _Fault(one.driver, step, done, number)
        with fault:
            try:
                VERBS[verb](one)
            except exception.CinderException as error:
                assert os.strerror(number) in str(error)
        if not fault.hit:
            break
        _recovered(one, verb)
        # As many snapshots as before, for the next step.
        if verb.startswith('delete'):
            one.take(1)
        elif verb == 'create':
            one.drop(one.snapshots[0])
    assert 3 < step < _MOST_STEPS - 1


@every_verb
def test_the_share_goes_away_at_every_step(one, verb, tmp_path):
    share, away = str(tmp_path / 'share'), str(tmp_path / 'away')
    for step in range(_MOST_STEPS):
        with _Gone(one.driver, step, share, away) as gone:
            try:
                VERBS[verb](one)
            except exception.RemoteFSException as error:
                assert one.volume.name in str(error) or share in str(error)
        if not gone.hit:
            break
        assert not os.path.exists(share), 'something was made in its place'
        os.rename(away, share)
        _recovered(one, verb)
        if verb.startswith('delete'):
            one.take(1)
        elif verb == 'create':
            one.drop(one.snapshots[0])
    assert 3 < step < _MOST_STEPS - 1


class _Gone(_Fault):
    """Takes the share away at call number n."""

    def __init__(self, driver, number, share, away):
        super().__init__(driver, number, False, errno.ENOENT)
        self._paths = share, away

    def _call(self, function, args, kwargs, error):
        if self._count == self._number:
            self.hit = True
            os.rename(*self._paths)
        self._count += 1
        return function(*args, **kwargs)


# Real ones

@pytest.mark.root
@pytest.mark.parametrize('backend', sorted(BACKENDS))
def test_a_full_share(rig, tmp_path, backend):
    with small_fs.SmallFs(tmp_path / 'small', 64 * content.MIB) as small:
        share = os.path.join(small.path, 'share')
        driver = stages.posix(rig, share, **BACKENDS[backend])
        one = story.Story(rig, driver, tmp_path)
        one.take(2)
        # What a merge must find room for in the layer below.
        content.write(one.path, 'qcow2', 0x99, 100 * content.MIB,
                      8 * content.MIB)
        for number in range(8 << 10):
            one.state[(100 << 10) + number] = 0x99
        small.fill()
        for verb in (one.snap, lambda: one.drop(one.snapshots[-1])):
            with pytest.raises(exception.RemoteFSException,
                               match='No space'):
                verb()
            one.check_file(one.path, one.format(), one.state)
        small.drain()
        # Enough for a journal, and for a part of the merge.
        small.fill(leave=2 * content.MIB)
        with pytest.raises(errors.CommandFailed, match='No space'):
            one.drop(one.snapshots[-1])
        one.check_file(one.path, one.format(), one.state)
        small.drain()
        _drop_failed(one)
        one.drop(one.snapshots[-1])
        one.check()
        one.snap()
        one.check()
        one.remove()


@pytest.mark.root
@every_verb
def test_a_read_only_share(rig, tmp_path, verb):
    with small_fs.SmallFs(tmp_path / 'small', 16 * content.MIB) as small:
        driver = stages.posix(rig, os.path.join(small.path, 'share'), **RAW)
        one = story.Story(rig, driver, tmp_path)
        one.take(3)
        small.remount(read_only=True)
        with pytest.raises(exception.RemoteFSException, match='EROFS|only'):
            VERBS[verb](one)
        small.remount(read_only=False)
        _recovered(one, verb)


_KILLED = '''
"$REAL" "$@" -r 64K &
sleep 0.3
kill -9 $! $$
'''
_FAILING = '''
trap '' XFSZ
exec prlimit --fsize=%d "$REAL" "$@"
'''


@pytest.fixture
def qemu_img(tmp_path, monkeypatch):
    """Puts something in the place of qemu-img, for one of its commands."""
    real = shutil.which('qemu-img')
    folder = tmp_path / 'bin'
    folder.mkdir()

    def put(word, text):
        path = folder / 'qemu-img'
        path.write_text('#!/bin/sh\nREAL=%s\nif [ "$1" = %s ]; then\n%s\nfi\n'
                        'exec "$REAL" "$@"\n' % (real, word, text))
        path.chmod(0o755)
        monkeypatch.setenv('PATH', '%s:%s' % (folder, os.environ['PATH']))

    def away():
        (folder / 'qemu-img').unlink()
    put.away = away
    return put


@pytest.mark.pairs
@also_on_glusterfs
@pytest.mark.parametrize('verb', [each for each in sorted(VERBS)
                                  if each.startswith('delete')])
@pytest.mark.parametrize('how, expected', [('killed', 'SIGKILL'),
                                           ('failing', 'File too large')])
def test_a_merge_that_breaks_off(one, verb, how, expected, qemu_img):
    if how == 'killed':
        qemu_img('commit', _KILLED)
    else:
        # A write error in the middle, as from a disk: nothing may grow.
        qemu_img('commit', _FAILING % content.KIB)
    with pytest.raises(errors.CommandFailed, match=expected):
        VERBS[verb](one)
    qemu_img.away()
    _recovered(one, verb)


# At once

def _at_once(*calls):
    """Make calls in threads; what they raised, or None for each."""
    raised = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def call(number):
        ready.wait()
        try:
            calls[number]()
        except Exception as error:
            raised[number] = error
    threads = [threading.Thread(target=call, args=(number,))
               for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@also_raw_on_glusterfs
def test_snapshots_at_once(one):
    made = [one.rig.new_snapshot(one.reload()) for __ in range(4)]
    assert _at_once(*[
        lambda snapshot=snapshot: one.driver.create_snapshot(snapshot)
        for snapshot in made]) == [None] * 4
    for snapshot in made:
        snapshot.status = 'available'
        snapshot.save()
        one.snapshots.append(snapshot)
        one.held[snapshot.id] = dict(one.state)
    one.write()
    one.check()


@also_raw_on_glusterfs
def test_all_deleted_at_once(one):
    snapshots = list(one.snapshots)
    made = one.rig.new_snapshot(one.reload())
    raised = _at_once(
        *[lambda snapshot=snapshot: one.driver.delete_snapshot(snapshot)
          for snapshot in snapshots],
        lambda: one.driver.create_snapshot(made))
    assert raised == [None] * 4
    made.status = 'available'
    made.save()
    one.snapshots, one.held = [made], {made.id: dict(one.state)}
    one.check()


@also_raw_on_glusterfs
def test_copies_while_snapshots_go(one):
    """A copy is of the snapshot, or there is none."""
    source = one.snapshots[1]
    copy = one.rig.new_volume(one.driver, 1)
    made = []

    def clone():
        made.append(one.driver.create_volume_from_snapshot(copy, source))
    deleted, cloned = _at_once(
        lambda: one.driver.delete_snapshot(one.snapshots[0]), clone)
    assert deleted is None and cloned is None
    copy.update(made[0])
    copy.save()
    one.check_volume(copy, one.held[source.id])
    one.remove(copy)
    gone = one.snapshots.pop(0)
    one.held.pop(gone.id)
    one.check()


# Links

LINKS = {
    'overlay': ('create', '%s.{new}', errors.VolumeFileExists),
    'journal': ('create', '%s.intent', errors.LayerInvalid),
    'new text': ('create', '.%s.new-text', None),
    'new overlay': ('revert', '.%s.new-overlay', errors.VolumeFileExists),
}


@pytest.mark.parametrize('kind', ['a file', 'nothing'])
@pytest.mark.parametrize('name', sorted(LINKS))
def test_a_link_where_a_file_is_made(one, tmp_path, name, kind):
    """What it points to is not touched, and not made."""
    verb, pattern, expected = LINKS[name]
    target = tmp_path / 'of-the-host'
    if kind == 'a file':
        target.write_text('of the host')
        os.chmod(target, 0o600)
    made = one.rig.new_snapshot(one.reload())
    path = os.path.join(one.share, pattern.replace('{new}', made.id)
                        % one.volume.name)
    os.symlink(target, path)

    def call():
        if verb == 'revert':
            one.revert(one.snapshots[-1])
        else:
            one.driver.create_snapshot(made)
    if expected is None:
        call()
        one.driver.delete_snapshot(made)
    else:
        with pytest.raises(expected, match=path):
            call()
        assert os.path.islink(path)
        os.unlink(path)
    if kind == 'a file':
        assert target.read_text() == 'of the host'
        assert os.stat(target).st_mode & 0o777 == 0o600
    else:
        assert not target.exists()
    one.driver.delete_snapshot(made)
    _recovered(one, verb)


def test_a_link_where_the_plain_copy_is_made(one, tmp_path):
    target = tmp_path / 'of-the-host'
    target.write_text('of the host')
    name = names.temporary(one.volume.name, names.PLAIN_COPY)
    os.symlink(target, os.path.join(one.share, name))
    volume = one.reload()
    volume.status = 'backing-up'
    connection = one.driver.initialize_connection(volume, {})
    assert connection['data']['format'] == 'raw'
    one.check_file(os.path.join(one.share, name), 'raw', one.state)
    one.driver.terminate_connection(volume, {})
    assert target.read_text() == 'of the host'
    one.check()


@pytest.mark.parametrize('place', [0, 1, 2, 3])
def test_a_link_in_place_of_a_layer(one, tmp_path, place):
    layers = [one.base] + ['%s.%s' % (one.base, each.id)
                           for each in one.snapshots]
    moved = str(tmp_path / 'moved')
    os.rename(layers[place], moved)
    os.symlink(moved, layers[place])
    before = content.digest(moved)
    for verb in (lambda: one.snap(), lambda: one.drop(one.snapshots[1]),
                 lambda: one.revert(one.snapshots[-1]),
                 lambda: one.clone(source=one.snapshots[0]),
                 lambda: one.path):
        with pytest.raises(exception.RemoteFSException,
                           match='symbolic link|ELOOP'):
            verb()
    assert content.digest(moved) == before
    os.rename(moved, layers[place])
    _drop_failed(one)
    one.check()


# Tenants

@pytest.fixture
def secret(tmp_path):
    path = tmp_path / 'secret'
    path.write_bytes(hostile.SECRET * 4096)
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize('kind', hostile.HEADERS)
def test_a_header_in_a_raw_volume(rig, tmp_path, secret, kind):
    """It is data below every overlay, through every verb."""
    driver = stages.posix(rig, tmp_path / 'share', **RAW)
    one = story.Story(rig, driver, tmp_path)
    header = hostile._header(kind, secret)
    content.put(one.path, header)
    one.snap()
    _is_data(one, one.clone(), header)
    _is_data(one, one.clone(source=one.snapshots[0]), header)
    one.extend(2)
    one.snap()
    _is_data(one, one.clone(source=one.snapshots[1]), header)
    # Written by a guest through the overlay, and merged into the base.
    content.write(one.path, 'qcow2', 0x00, 0, len(header) // 512 * 512 + 512)
    one.drop(one.snapshots[0])
    source = tmp_path / 'header'
    source.write_bytes(header + bytes(-len(header) % 512))
    one.snap()
    subprocess.run(['qemu-io', '-f', 'qcow2', '-c', 'write -s %s 0 %d' % (
        source, source.stat().st_size), one.path], check=True,
        stdout=subprocess.DEVNULL)
    one.revert(one.snapshots[-1])
    subprocess.run(['qemu-io', '-f', 'qcow2', '-c', 'write -s %s 0 %d' % (
        source, source.stat().st_size), one.path], check=True,
        stdout=subprocess.DEVNULL)
    while one.snapshots:
        one.drop(one.snapshots[0])
    assert one.format() == 'raw'
    assert os.path.getsize(one.path) == 2 * content.GIB
    with open(one.path, 'rb') as stream:
        assert stream.read(len(header)) == header
    # And once more from the beginning, as the base.
    one.snap()
    _is_data(one, one.clone(), header)
    for name in stages.left(one.share):
        hostile._assert_no_secret(os.path.join(one.share, name))


def _is_data(one, copy, header):
    """A copy holds the header, and nothing that it names."""
    path = one.driver.local_path(copy)
    hostile._assert_no_secret(path)
    assert os.path.getsize(path) == copy.size * content.GIB
    with open(path, 'rb') as stream:
        assert stream.read(len(header)) == header
    one.remove(copy)
