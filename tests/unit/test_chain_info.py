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


"""The text of the table of snapshots: to the byte, or refused."""

import json

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.chain import info
from remotefs_drivers.chain import model
from remotefs_drivers import errors

BASE = 'volume-11111111-1111-4111-8111-111111111111'
ONE = '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a'
TWO = '0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b'
PATH = '/mnt/' + BASE + '.info'

#: As the GlusterFS driver of Icehouse and the NFS driver of today write it.
TEXT = '''{
 "%(one)s": "%(base)s.%(one)s",
 "%(two)s": "%(base)s.%(two)s",
 "active": "%(base)s.%(two)s"
}''' % {'one': ONE, 'two': TWO, 'base': BASE}
INFO = model.Info(BASE + '.' + TWO, {ONE: BASE + '.' + ONE,
                                     TWO: BASE + '.' + TWO})


def text(**changes):
    """The text of a good table, with other values or without some (None)."""
    table = {'active': BASE + '.' + ONE, ONE: BASE + '.' + ONE}
    table.update({key.replace('_', '-'): value
                  for key, value in changes.items()})
    return json.dumps({key: value for key, value in table.items()
                       if value is not None})


def test_written():
    assert info.dumps(INFO) == TEXT


def test_read():
    assert info.loads(TEXT, BASE, PATH) == INFO


@pytest.mark.parametrize('found, expected', [
    # In whatever order and shape, as a person writes it.
    (text(), model.Info(BASE + '.' + ONE, {ONE: BASE + '.' + ONE})),
    ('\n\t' + text() + '\n', model.Info(BASE + '.' + ONE,
                                        {ONE: BASE + '.' + ONE})),
    # The last snapshot went: drivers in Cinder's tree keep the table.
    ('{"active": "%s"}' % BASE, model.Info(BASE, {})),
    # A snapshot whose file was deleted by hand, and the base is active.
    (text(active=BASE), model.Info(BASE, {ONE: BASE + '.' + ONE})),
    # A snapshot that was managed: its id is another one than its file's.
    (json.dumps({'active': BASE + '.' + ONE, TWO: BASE + '.' + ONE}),
     model.Info(BASE + '.' + ONE, {TWO: BASE + '.' + ONE})),
    # Released from the base while a guest ran: no overlay names it.
    (text(active=BASE + '.' + TWO), model.Info(BASE + '.' + TWO,
                                               {ONE: BASE + '.' + ONE})),
])
def test_read_in_other_forms(found, expected):
    assert info.loads(found, BASE, PATH) == expected


NOT_OURS = 'not the name of a file of this volume'


@pytest.mark.parametrize('found, reason', [
    # Cut off anywhere, by a crash of a driver that does not rename it.
    ('', 'Expecting value'),
    (TEXT[:1], 'Expecting property name'),
    (TEXT[:len(TEXT) // 2], 'line'),
    (TEXT[:-1], 'line'),
    (TEXT + '}', 'Extra data'),
    (bytes(len(TEXT)).decode(), 'Expecting value'),
    # JSON, but no table.
    ('null', 'no JSON object'),
    ('"active"', 'no JSON object'),
    ('[]', 'no JSON object'),
    ('[["active", "%s"]]' % BASE, 'no JSON object'),
    ('1', 'no JSON object'),
    # Which of the two counts, is a matter of who reads it.
    ('{"active": "%s", "active": "%s"}' % (BASE, BASE), 'twice'),
    ('{"active": "%s", "%s": "%s.%s", "%s": "%s.%s"}' % (
        BASE, ONE, BASE, ONE, ONE, BASE, TWO), 'twice'),
    # Keys.
    (text(other=BASE + '.' + ONE), 'neither "active" nor the id'),
    (text(Active=BASE), 'neither "active" nor the id'),
    (text(**{'': BASE + '.' + ONE}), 'neither "active" nor the id'),
    (text(**{'../' + ONE: BASE + '.' + TWO}), 'neither "active" nor the id'),
    # Names that lead elsewhere.
    (text(active='/etc/shadow'), NOT_OURS),
    (text(active='/mnt/' + BASE), NOT_OURS),
    (text(active='../' + BASE), NOT_OURS),
    (text(active='./' + BASE), NOT_OURS),
    (text(active='..'), NOT_OURS),
    (text(active=BASE + './x'), NOT_OURS),
    (text(active=BASE + '/../x'), NOT_OURS),
    (text(active=BASE + '\0'), NOT_OURS),
    (text(active=BASE + '.\ud800'), NOT_OURS),
    # Of another volume.
    (text(active='volume-2'), NOT_OURS),
    (text(active=BASE + '0'), NOT_OURS),
    (text(active=BASE + '0.' + ONE), NOT_OURS),
    (text(active='x' + BASE), NOT_OURS),
    (text(active=''), NOT_OURS),
    # What belongs to the volume, and is no layer.
    (text(active=BASE + '.info'), NOT_OURS),
    (text(active=BASE + '.intent'), NOT_OURS),
    (text(active=BASE + '.'), NOT_OURS),
    (text(active='.%s.new-overlay' % BASE), NOT_OURS),
    (text(active='.%s.plain-copy' % BASE), NOT_OURS),
    # No names at all.
    (text(active=1), NOT_OURS),
    (text(active=[BASE]), NOT_OURS),
    (text(active={'name': BASE}), NOT_OURS),
    (text(active=True), NOT_OURS),
    ('{"active": null}', NOT_OURS),
    # The same for a snapshot's.
    (text(**{TWO: '../' + BASE}), NOT_OURS),
    (text(**{TWO: 2}), NOT_OURS),
    # Tables that cannot be.
    (text(active=None), 'which file is active'),
    ('{}', 'which file is active'),
    (text(**{TWO: BASE + '.' + ONE}), 'two snapshots the same file'),
    (text(**{TWO: BASE}), 'added the base itself'),
    # Text that is made to break a parser.
    ('[' * 100000, 'recursion'),
    ('{"active":' * 100000, 'recursion'),
    ('{"active": %s}' % ('1' * 5000), ''),
    ('{"active": NaN}', NOT_OURS),
])
def test_refused(found, reason):
    with pytest.raises(errors.InfoInvalid) as caught:
        info.loads(found, BASE, PATH)
    assert PATH in str(caught.value)
    assert reason in str(caught.value)


@given(strategies.text(max_size=60))
def test_any_text(found):
    try:
        info.loads(found, BASE, PATH)
    except errors.InfoInvalid:
        return
    raise AssertionError('%r was taken' % found)


@given(strategies.dictionaries(strategies.uuids().map(str),
                               strategies.uuids().map(str), max_size=5),
       strategies.data())
def test_any_table_comes_back(ids, data):
    names = {key: model.overlay(BASE, each) for key, each in ids.items()}
    if len(set(names.values())) < len(names):
        return
    active = data.draw(strategies.sampled_from([BASE, *names.values()]))
    made = model.Info(active, names)
    written = info.dumps(made)
    assert info.loads(written, BASE, PATH) == made
    assert info.dumps(info.loads(written, BASE, PATH)) == written
    assert info.of_table(info.as_table(made), BASE) == made


def test_no_table():
    assert info.as_table(None) is None
    assert info.of_table(None, BASE) is None


@pytest.mark.parametrize('table', [0, False, '', [], {}, 'active'])
def test_a_wrong_table_in_a_journal(table):
    with pytest.raises(ValueError):
        info.of_table(table, BASE)
