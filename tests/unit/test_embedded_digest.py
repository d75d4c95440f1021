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

"""The end of a log, as a message about a failure shows it."""

from remotefs_drivers.embedded import digest

OSLO = '2026-01-01 12:00:0%d.000 4711 %s cinder.x [%s] %s'


def line(second, level, text, request='None req-1 - - - -'):
    return OSLO % (second, level, request, text)


def test_what_is_well_is_left_out():
    text = '\n'.join([
        line(1, 'INFO', 'all is well'),
        line(2, 'DEBUG', 'even here'),
        '[2026-01-01 12:00:00 +0000] [4711] [INFO] Booting worker',
        line(3, 'ERROR', 'but not INFO here'),
        'Traceback (most recent call last):',
    ])
    assert digest.digest(text, 10).splitlines() == text.splitlines()[3:]


def test_the_same_is_told_once():
    text = '\n'.join([
        line(1, 'WARNING', 'it is down', 'req-a b c'),
        line(2, 'WARNING', 'it is up', '-'),
        line(3, 'WARNING', 'it is down', 'None req-d e f'),
    ])
    assert digest.digest(text, 10).splitlines() == text.splitlines()[1:]


def test_the_last_lines_count():
    text = '\n'.join('line %d' % number for number in range(100))
    assert digest.digest(text, 2) == 'line 98\nline 99'


def test_an_empty_log():
    assert digest.digest('', 10) == ''
