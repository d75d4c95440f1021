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

"""Who works on the files, and with which mode."""

import pytest

from remotefs_drivers.share import rights


def never():
    raise AssertionError('nobody asked for auto')


@pytest.mark.parametrize('operations, permissions, as_root, mode', [
    ('true', 'true', False, 0o660),
    ('true', 'false', False, 0o666),
    ('false', 'true', True, 0o660),
    ('false', 'false', True, 0o666),
])
def test_what_is_said_holds(operations, permissions, as_root, mode):
    assert rights.decide(operations, permissions, never) == rights.Rights(
        as_root, mode)


@pytest.mark.parametrize('operations, permissions, automatic, expected', [
    ('auto', 'auto', True, rights.Rights(False, 0o660)),
    ('auto', 'auto', False, rights.Rights(True, 0o666)),
    # One is auto, the other stands.
    ('auto', 'false', True, rights.Rights(False, 0o666)),
    ('auto', 'true', False, rights.Rights(True, 0o660)),
    ('false', 'auto', True, rights.Rights(True, 0o660)),
    ('true', 'auto', False, rights.Rights(False, 0o666)),
])
def test_auto(operations, permissions, automatic, expected):
    asked = []

    def auto():
        asked.append(True)
        return automatic
    assert rights.decide(operations, permissions, auto) == expected
    # Once: it may write the marker files.
    assert asked == [True]


@pytest.mark.parametrize('marked, is_new, can_mark, secure, made', [
    # The marker decides, whatever the installation is.
    (True, False, None, True, False),
    (True, True, None, True, False),
    # A new installation gets its marker.
    (False, True, True, True, True),
    # It cannot be made: the share is not ours.
    (False, True, False, False, True),
    # An old one without a marker was never secure.
    (False, False, None, False, False),
])
def test_what_auto_stands_for(marked, is_new, can_mark, secure, made):
    calls = []

    def make():
        calls.append(True)
        return can_mark
    assert rights.is_secure(marked, is_new, make) is secure
    assert bool(calls) is made


@pytest.mark.parametrize('operations, permissions, warned', [
    ('true', 'true', []),
    ('false', 'true', ['nas_secure_file_operations']),
    ('true', 'false', ['nas_secure_file_permissions']),
    ('false', 'false', ['nas_secure_file_operations',
                        'nas_secure_file_permissions']),
])
def test_what_is_open_is_warned_of(caplog, operations, permissions, warned):
    rights.decide(operations, permissions, never)
    said = [record.getMessage() for record in caplog.records
            if record.levelname == 'WARNING']
    assert len(said) == len(warned)
    assert all(name in text for name, text in zip(warned, said))


@pytest.mark.parametrize('mode, are_open', [(0o660, False), (0o666, True)])
def test_are_open(mode, are_open):
    assert rights.Rights(False, mode).are_open is are_open


def test_the_marker_is_the_one_of_cinders_own_drivers():
    assert rights.MARKER == '.cinderSecureEnvIndicator'
    assert rights.MARKER_MODE == 0o640
