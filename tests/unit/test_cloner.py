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

"""Clones by the commands of GPFS: whose they are, and how parents go."""

import os
import stat

import pytest

from remotefs_drivers import cloner
from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import output
from remotefs_drivers import privileged
from remotefs_drivers.store import direct
from remotefs_drivers.store import parents
from tests.harness import pretended_gpfs
from tests.unit import things

V, S, C = 'volume-1', 'snapshot-a', 'volume-2'
#: Parents that wait, each the child of the one before it.
A, B, D = ('snapshot-%d0000000-0000-4000-8000-000000000000.ts' % number
           for number in (1, 2, 3))


@pytest.fixture
def made(gpfs, path):
    things.file(path(V))
    return cloner.Cloner(gpfs, call, 0o660)


def call(what, function, path, *args, limit=None):
    try:
        return getattr(direct, function)(path, *args)
    except FileExistsError:
        raise errors.VolumeFileExists(volume='1', path=path)


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def names(gpfs):
    return [name for name, __ in gpfs.calls]


def test_modes(made, path):
    """As the driver in Cinder's tree has them."""
    made.snap(path(V), path(S))
    made.copy(path(S), path(C))
    assert (mode(path(S)), mode(path(C))) == (0o640, 0o660)


def test_what_root_makes_is_given_to_the_service(made, path, monkeypatch):
    given = []
    monkeypatch.setattr(parents, 'is_own', lambda path: False)
    monkeypatch.setattr(direct, 'is_own', lambda path: False)
    monkeypatch.setattr(privileged, 'give',
                        lambda *arguments: given.append(arguments))
    made.snap(path(V), path(S))
    made.copy(path(S), path(C))
    own = os.geteuid(), os.getegid()
    assert given == [(path(S), *own), (path(C), *own)]


def test_a_child_becomes_a_parent_that_needs_nobody(made, gpfs, path):
    made.snap(path(V), path(S))
    made.copy(path(S), path(C))
    made.split(path(C))
    made.seal(path(C))
    assert gpfs.clone_show(path(C)) == output.Clone(True, 0, None)
    assert mode(path(C)) == 0o640
    assert things.read(path(C)) == things.TEXT


def test_nothing_is_overwritten(made, gpfs, path):
    things.file(path(S))
    with pytest.raises(errors.VolumeFileExists):
        made.snap(path(V), path(S))
    with pytest.raises(errors.VolumeFileExists):
        made.copy(path(V), path(S))
    assert gpfs.calls == []


@pytest.mark.parametrize('depth, done', [(1, False), (2, False)])
def test_not_too_deep(made, gpfs, path, depth, done):
    made.snap(path(V), path(S))
    made.redirect(path(V), depth)
    assert ('clone_redirect' in names(gpfs)) is done


def test_too_deep(made, gpfs, path):
    made.snap(path(V), path(S))
    made.snap(path(V), path('snapshot-b'))
    made.redirect(path(V), 1)
    assert gpfs.clone_show(path(V)).depth == 1
    # One that is no clone has no depth.
    things.file(path(C))
    made.redirect(path(C), 0)


@pytest.mark.parametrize('name, found', [
    ('snapshot-a.ts', True), ('volume-2.snap', True), (S, False)])
def test_a_parent(made, path, name, found):
    assert made.parent(path(V)) is None
    made.snap(path(V), path(name))
    assert made.parent(path(V)) == (path(name) if found else None)


class TestPrune:
    @pytest.fixture
    def chain(self, made, path):
        """A <- B <- D <- volume"""
        for name in A, B, D:
            made.snap(path(V), path(name))

    def left(self, tmp_path):
        return sorted(os.listdir(tmp_path))

    def test_all_go_that_nobody_needs(self, made, gpfs, chain, tmp_path,
                                      path):
        os.remove(path(V))
        gpfs.calls.clear()
        made.prune(path(D))
        assert self.left(tmp_path) == []
        # One child process for each.
        assert names(gpfs) == ['clone_show'] * 3

    def test_up_to_one_that_is_needed(self, made, gpfs, chain, tmp_path,
                                      path):
        made.copy(path(B), path(C))
        os.remove(path(V))
        gpfs.calls.clear()
        made.prune(path(D))
        assert self.left(tmp_path) == [A, B, C]
        assert names(gpfs) == ['clone_show'] * 2

    def test_up_to_one_that_somebody_asks_for(self, made, chain, tmp_path,
                                              path):
        os.rename(path(A), path(S))
        os.remove(path(V))
        made.prune(path(D))
        assert self.left(tmp_path) == [S]

    def test_none_as_long_as_the_child_is_there(self, made, gpfs, chain,
                                                tmp_path, path):
        gpfs.calls.clear()
        made.prune(path(D))
        assert self.left(tmp_path) == [A, B, D, V]
        assert names(gpfs) == ['clone_show']

    def test_cut_off_in_the_middle(self, made, gpfs, chain, tmp_path, path):
        """Nobody knows any more what was below."""
        os.remove(path(V))
        os.remove(path(D))
        gpfs.calls.clear()
        made.prune(path(D))
        assert self.left(tmp_path) == []
        assert gpfs.calls == []

    @pytest.mark.parametrize('goes', [True, False])
    def test_another_one_removes_it_meanwhile(self, made, gpfs, chain,
                                              tmp_path, path, goes,
                                              monkeypatch):
        """Two volumes, its last children, are deleted at the same time."""
        def show(asked):
            if goes:
                os.remove(asked)
            raise pretended_gpfs.failed('No such file or directory')
        os.remove(path(V))
        monkeypatch.setattr(gpfs, 'clone_show', show)
        if goes:
            made.prune(path(D))
        else:
            with pytest.raises(errors.GpfsCommandFailed):
                made.prune(path(D))
