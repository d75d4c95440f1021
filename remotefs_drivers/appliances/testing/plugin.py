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


"""Options of pytest for the suite, and what it says in the end.

It is loaded into each pytest where this library is installed, so it imports
nothing that takes time.
"""

import pytest

#: What the fixtures found out: (title, lines).
REPORT = pytest.StashKey()

NO_CONTENT = (
    'What is in the shares was not looked at. Say how to get there: '
    '--appliance-content=mount (as root, by NFS), =local (the path of each '
    'location is one of this host) or =module:Class; or --allow-no-content, '
    'and these promises are not tested.')


def pytest_addoption(parser):
    group = parser.getgroup('appliance', 'appliances of remotefs_drivers')
    group.addoption('--appliance', metavar='NAME',
                    help='the appliance to test: an entry point, or '
                         'module:Class. Without it appliance_type says so.')
    group.addoption('--appliance-conf', metavar='FILE',
                    help='a cinder.conf with the section of the backend')
    group.addoption('--appliance-section', metavar='NAME',
                    help='which section; not needed where there is one only')
    group.addoption('--appliance-content', metavar='HOW',
                    help='how to get at what is in the shares: mount, local '
                         'or module:Class (see testing.contents)')
    group.addoption('--allow-no-content', action='store_true', default=False,
                    help='leave out what needs --appliance-content')
    group.addoption('--appliance-restart', metavar='COMMAND',
                    help='what cuts off the power of the box, and brings it '
                         'back; without it that is left out')
    group.addoption('--appliance-size', metavar='MiB', type=int, default=16,
                    help='size of most of the shares (16)')
    group.addoption('--appliance-many', metavar='N', type=int, default=101,
                    help='how many shares, and snapshots of a share, to '
                         'make where there should be many (101)')
    group.addoption('--appliance-user', metavar='NAME',
                    help='the user of cinder-volume, who must be able to '
                         'make files in the shares; asked for as root, who '
                         'can do it in any case')
    group.addoption('--appliance-timeout', metavar='SECONDS', type=int,
                    default=120,
                    help='how long one call may take at most (120)')


def pytest_terminal_summary(terminalreporter, config):
    if REPORT not in config.stash:
        return
    title, lines = config.stash[REPORT]
    terminalreporter.section(title)
    for line in lines:
        terminalreporter.write_line(line, yellow=line.startswith('WARNING'))
