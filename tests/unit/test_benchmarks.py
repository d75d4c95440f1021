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

"""The arithmetic of the benchmark. How long anything takes is no test."""

import json
import sys
import time

from oslo_utils import units
import pytest

from benchmarks import goals
from benchmarks import meter
from benchmarks import operation
from benchmarks import operations
from benchmarks import report
from benchmarks import rounds
from benchmarks import subjects
from remotefs_drivers.qemu import children
from remotefs_drivers.store import files

SPAWNED = [
    (['rm', '-f', '/a'], 1),
    (['/usr/bin/rm', '-f', '/a'], 1),
    # oslo's limits, then env, then the program that was meant.
    ([sys.executable, '-m', 'oslo_concurrency.prlimit', '--as=1073741824',
      '--', 'env', 'LC_ALL=C', 'qemu-img', 'info', '/a'], 3),
    (['sudo', 'cinder-rootwrap', '/etc/cinder/rootwrap.conf', 'stat', '/a'],
     3),
    # A shell: what it runs is not known.
    ('true; true', 1),
    # A fork, which runs nothing else.
    ((), 1),
]


@pytest.mark.parametrize('argv, expected', SPAWNED)
def test_programs(argv, expected):
    assert expected == meter.programs(argv)


def test_children_that_another_process_starts(monkeypatch):
    """Count as those do that Python starts by itself."""
    hooks = []
    # One cannot be taken out again.
    monkeypatch.setattr(sys, 'addaudithook', hooks.append)
    counter = meter.ChildCounter()

    def work():
        for event, arguments in (
                ('subprocess.Popen', ('env', ['env', 'qemu-img'], '/', {})),
                (children.EVENT, (['nice', 'qemu-img'],)),
                (children.EVENT, (['stat'],)),
                ('open', ('/x', 'r', 0)), ('os.fork', ())):
            hooks[0](event, arguments)
    assert counter.count(work) == meter.Children(4, 6)


def test_children_of_one_call_of_many():
    assert meter.Children(4, 6) == meter.Children(96, 144).each(24)


class Record:
    """Stands for one of Cinder's objects; its database takes a while."""

    pause = 0.02

    @classmethod
    def get_by_id(cls):
        record = cls()
        record.refresh()
        return record

    def refresh(self):
        time.sleep(self.pause)

    def save(self):
        self.refresh()
        time.sleep(self.pause)


def test_database_is_told_apart():
    class Watched(Record):
        pass

    def call():
        Watched.get_by_id().save()
        time.sleep(Record.pause)

    clock = meter.DatabaseClock()
    clock.install(Watched)
    sample = clock.time(call)
    pause = Record.pause * 1000
    # Three pauses there and one here; the inner calls do not count twice.
    assert 3 * pause <= sample.database <= sample.total - pause
    assert sample.net == sample.total - sample.database
    assert clock.time(Record().refresh).database == 0


def test_nothing_is_saved_for_a_while():
    record = Record()
    record.pause = None
    with meter.without_saving(Record):
        record.save()
    with pytest.raises(TypeError):
        record.save()


def test_goals_are_of_operations():
    assert set(goals.GOALS) <= {one.name for one in operations.every()}


def test_operations_have_names_of_their_own():
    names = [one.name for one in operations.every()]
    titles = {one.title for one in operations.every()}
    assert len(names) == len(set(names)) == len(titles)


@pytest.mark.parametrize('children, ratio, met', [
    (0, 100, True), (0, 99.9, False), (1, 1000, False)])
def test_goal(children, ratio, met):
    goal = goals.Goal(children=0, ratio=100)
    assert met == goal.is_met(children, ratio)


def test_ratios_are_of_the_same_round():
    # The third round met a slow machine, and both felt it.
    spread = goals.ratios([10, 20, 100], [1, 1, 10])
    assert goals.Spread(median=10, low=10, high=20) == spread


class Work(operation.Operation):
    """Does nothing, in a way that can be looked at."""

    name = 'work'
    calls = (1, 2)
    lies = False

    def __init__(self, commands=(), limit=None):
        self.there = 0
        self.most = 0
        self.proven = 0
        self._commands = commands
        self._limit = limit

    def set_up(self, subject):
        self.there += 1
        self.most = max(self.most, self.there)

    def call(self, driver, state):
        pass

    def prove(self, subject, state):
        self.proven += 1
        assert not self.lies

    def clean_up(self, subject, state):
        self.there -= 1

    def bare(self, subject, state):
        return self._commands

    def limit(self, subject, state):
        return self._limit


@pytest.fixture
def working(monkeypatch):
    """Makes Rounds of a Work; the commands that it runs go into a list."""
    ran = []
    monkeypatch.setattr(rounds, '_calm_down', lambda subject: None)
    monkeypatch.setattr(rounds, '_run', ran.append)
    pair = [subjects.Subject(place, None, None, (), ())
            for place in (0, 1)]

    def make(work):
        return rounds.Rounds(work, pair, meter.DatabaseClock()), ran
    return make


def test_rounds(working):
    work = Work()
    measured, ran = working(work)
    measured.time(3)
    assert [3, 3] == [len(one.net) for one in measured.figures]
    # A batch at a time, and nothing is left.
    assert (2, 0) == (work.most, work.there)
    # Once for each driver, in the round that is not counted.
    assert 2 == work.proven
    assert [] == measured.bare == measured.limit == ran


def test_rounds_with_bare_commands(working):
    measured, ran = working(Work(['a command']))
    measured.time(3)
    assert 3 == len(measured.bare)
    assert [['a command']] * 8 == ran


def test_rounds_with_a_limit(working):
    done = []
    measured, __ = working(Work(limit=lambda: done.append(1)))
    measured.time(3)
    assert 3 == len(measured.limit)
    assert 8 == len(done)


def test_rounds_of_a_driver_that_does_not_do_it(working):
    work = Work()
    work.lies = True
    measured, __ = working(work)
    with pytest.raises(AssertionError):
        measured.time(3)
    assert 0 == work.there


def test_a_crowd_does_all_and_tells_of_errors():
    crowd = operation.Crowd([[1, 2], [3], []])
    done = []
    crowd.work(done.append)
    assert [1, 2, 3] == sorted(done) == sorted(crowd.items())
    with pytest.raises(ZeroDivisionError):
        crowd.work(lambda item: item / 0)


@pytest.mark.parametrize('value, text', [
    (0.1234, '0.123'), (1.234, '1.23'), (12.34, '12.3'), (1234.5, '1234')])
def test_milliseconds(value, text):
    assert text == report.milliseconds(value)


def line(name='delete', ours=0.1, children=0, bare=(), limit=()):
    in_tree = rounds.Figures([20.0, 22.0, 24.0], [20.0, 22.0, 24.0],
                             meter.Children(1, 1))
    our = rounds.Figures([ours * 2] * 3, [ours] * 3,
                         meter.Children(children, children))
    return report.Line(name, name, (in_tree, our), saves=True, bare=bare,
                       limit=limit)


@pytest.mark.parametrize('one, verdict', [
    (line(), True),
    # Judged without the database, and by the median.
    (line(ours=0.23), False),
    (line(children=1), False),
    (line(name='extend-qcow2'), None),
])
def test_verdict(one, verdict):
    assert one.verdict() is verdict


@pytest.mark.parametrize('one, verdict', [
    # Our three rounds take 2 ms each.
    (line('delete-newest-10', 2.0, bare=(1.4, 1.0, 2.0)), True),
    (line('delete-newest-10', 2.0, bare=(1.3, 1.0, 2.0)), False),
    # Nothing was measured, nothing is promised.
    (line('delete-newest-10', 2.0), None),
    (line('create-qcow2', 2.0, bare=(1.0, 1.0, 1.0)), None),
    (line('extend-with-2', 2.0, bare=(1.0, 1.0, 1.0)), None),
])
def test_verdict_beside_the_bare_commands(one, verdict):
    assert one.bare_verdict() is verdict


def test_table_of_bare_commands():
    text = report.tables([line('delete-newest-10', 2.0, bare=(1., 1.6, 2.)),
                          line('extend-with-2', 3.0, bare=(2., 2., 2.)),
                          line()], {})
    rows = text.split(report.BARE)[1].split(report.WHOLE)[0]
    assert _cells(rows, 'delete-newest-10') == [
        'delete-newest-10', '1.60', '2.00', '1.25', '(1.00..2.00)', '<=',
        '1.5', 'yes']
    assert _cells(rows, 'extend-with-2')[-1] == '(1.50..1.50)'
    assert _cells(rows, 'delete') is None


def test_table_of_limits():
    text = report.tables([line('clone-copied', 11.0, limit=(10., 11., 12.)),
                          line()], {})
    rows = text.split(report.LIMIT)[1].split(report.WHOLE)[0]
    assert _cells(rows, 'clone-copied') == [
        'clone-copied', '22.0', '11.0', '11.0', '2.0', '(2.0..2.0)', '1.00',
        '(0.92..1.10)']
    assert _cells(rows, 'delete') is None
    assert report.LIMIT not in report.tables([line()], {})


def test_a_durable_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(operation, 'DATA', units.Mi)
    paths = [str(tmp_path / name) for name in ('source', 'target')]
    for path in paths:
        files.create(path, 2 * units.Mi, 0o600)
    operation.write(paths[0])
    operation.copy_durably(*paths)
    operation.check_copy(*paths)


def test_tables():
    text = report.tables([line(), line(name='extend-qcow2')],
                         {'Machine': 'this one'})
    first, second = text.split(report.WHOLE)
    assert 'Machine: this one' in first
    assert _cells(first, 'delete') == [
        'delete', '22.0', '1/1', '0.100', '0/0', '220', '(200..240)', '0,',
        '>=', '100', 'yes']
    assert _cells(second, 'delete') == [
        'delete', '22.0', '1/1', '0.200', '0/0', '110', '(100..120)']
    assert _cells(first, 'extend-qcow2')[-1] == '(200..240)'


def test_database_less_operation_is_in_the_first_table_only():
    one = report.Line('create-threads', 'crowd', line().figures, saves=False)
    first, second = report.tables([line(), one], {}).split(report.WHOLE)
    assert _cells(first, 'crowd')
    assert not _cells(second, 'crowd')


def test_data_can_be_written():
    data = json.loads(json.dumps(report.as_data([line()], {'a': 'b'})))
    found, = data['operations']
    assert {'a': 'b'} == data['conditions']
    assert [20.0, 22.0, 24.0] == found['in_tree']['net']
    assert {'started': 0, 'programs': 0} == found['ours']['children']
    assert {'median': 220.0, 'low': 200.0, 'high': 240.0} == pytest.approx(
        found['ratio_net'])
    assert found['met'] is True
    assert 'bare' not in found and 'limit' not in found
    data = report.as_data([line(limit=(1.0,))], {})
    assert [1.0] == data['operations'][0]['limit']
    data = report.as_data([line('create-snapshot-10', 2.0, bare=(1.0,) * 3)],
                          {})
    assert {'total': [1.0] * 3, 'met': False, 'ratio': {
        'median': 2.0, 'low': 2.0, 'high': 2.0}} == (
            data['operations'][0]['bare'])


def _cells(text, title):
    for row in text.splitlines():
        if row.startswith(title + ' '):
            return row.split()
    return None
