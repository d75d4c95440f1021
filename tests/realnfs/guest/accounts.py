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

"""Users of the machine, and what the ordinary one may do as root.

That one has what an operator gives to the user of cinder-volume, and not
more: a sudo rule for cinder-rootwrap, with Cinder's filters and ours.
"""

import os
import pathlib
import pwd
import shutil
import sys

from tests.realnfs import link
from tests.realnfs import start

_REPO = pathlib.Path(__file__).parents[3]
_CINDER = pathlib.Path('/etc/cinder')
_BIN = pathlib.Path(sys.executable).parent

# Packages make the latter two when they are installed on the host.
_USERS = ((link.USER, 7100, f'/home/{link.USER}'),
          ('statd', 7101, '/var/lib/nfs'),
          ('_rpc', 7102, '/run/rpcbind'))


def make():
    """Make the users and their rights."""
    for name, number, home in _USERS:
        if not _is_known(name):
            _add(name, number, home)
    home = pathlib.Path(pwd.getpwnam(link.USER).pw_dir)
    home.mkdir(exist_ok=True)
    shutil.chown(home, link.USER, link.USER)
    database = pathlib.Path(os.environ[start.DATABASE])
    database.chmod(0o644)
    for folder in (_BIN, _REPO, database.parent):
        _open_way_to(folder)
    _configure_rootwrap()


def _is_known(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _add(name, number, home):
    for path, line in (('/etc/passwd', f'{name}:x:{number}:{number}::{home}:'
                                       '/bin/sh\n'),
                       ('/etc/shadow', f'{name}:*:19000::::::\n'),
                       ('/etc/group', f'{name}:x:{number}:\n')):
        with open(path, 'a', encoding='utf-8') as stream:
            stream.write(line)


def _open_way_to(folder):
    """Let others pass, also where the host has all in root's home."""
    for path in (folder, *folder.parents):
        path.chmod(path.stat().st_mode | 0o011)


def _configure_rootwrap():
    filters = _CINDER / 'rootwrap.d'
    filters.mkdir(parents=True, exist_ok=True)
    for source in (pathlib.Path(sys.prefix) / 'etc/cinder/rootwrap.d',
                   _REPO / 'etc/rootwrap.d'):
        for path in source.glob('*.filters'):
            shutil.copy(path, filters)
    (_CINDER / 'cinder.conf').write_text('[DEFAULT]\n')
    (_CINDER / 'rootwrap.conf').write_text(
        f'[DEFAULT]\nfilters_path={filters}\n'
        f'exec_dirs={_BIN},/usr/sbin,/usr/bin,/sbin,/bin\n'
        'use_syslog=False\n')
    rule = pathlib.Path('/etc/sudoers.d') / link.USER
    rule.parent.mkdir(exist_ok=True)
    rule.write_text(f'{link.USER} ALL=(root) NOPASSWD: {_BIN}/cinder-rootwrap'
                    f' {_CINDER}/rootwrap.conf *\n')
    rule.chmod(0o440)
