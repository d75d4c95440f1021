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

"""The way from an ordinary user to root, as an operator sets it up.

Everything is real: sudo, cinder-rootwrap with our filter line and nothing
else unless a test names it, the privsep daemon, an ordinary user. For root.
"""

import contextlib
import os
import pathlib
import pwd
import re
import subprocess
import sys
import tempfile

from tests.harness import sweeper
from tests.harness import users

USER = 'remotefs-test'
#: The line of Cinder's own volume.filters by which it looks, as root, at each
#: image that it has downloaded, whatever the driver.
LOOKS_AT_IMAGES = 'qemu-img: EnvFilter, env, root, LC_ALL=C, qemu-img'
_REPOSITORY = pathlib.Path(__file__).parents[2]
_BIN = os.path.dirname(sys.executable)
_SYSTEM = '/usr/sbin:/usr/bin:/sbin:/bin'


@contextlib.contextmanager
def configuration(*lines):
    """A folder below /etc with what an operator puts into /etc/cinder.

    :param lines: filters of Cinder's own
    """
    with _folder('/etc') as folder:
        filters = pathlib.Path(folder, 'rootwrap.d')
        filters.mkdir()
        line = _REPOSITORY / 'etc' / 'rootwrap.d' / 'remotefs.filters'
        (filters / 'remotefs.filters').write_text(line.read_text())
        (filters / 'volume.filters').write_text(
            '\n'.join(['[Filters]', *lines, '']))
        pathlib.Path(folder, 'rootwrap.conf').write_text(
            '[DEFAULT]\nfilters_path = %s\nexec_dirs = %s,/usr/bin,/bin\n'
            % (filters, _BIN))
        pathlib.Path(folder, 'cinder.conf').write_text('[DEFAULT]\n')
        yield folder


def command(folder):
    """The root helper of a configuration."""
    return 'sudo -n ' + _rootwrap(folder)


@contextlib.contextmanager
def allowed(folder, programs=None):
    """Let sudo allow it to the ordinary user.

    :param programs: a folder that sudo puts in front of PATH
    :returns: the root helper
    """
    # For this configuration alone: others may run the same tests beside us.
    name = re.sub('[^A-Z0-9]', '_', os.path.basename(folder).upper())
    lines = ['Cmnd_Alias %s = %s *' % (name, _rootwrap(folder)),
             '%s ALL=(root) NOPASSWD: %s' % (USER, name),
             # Root's side is to run this tree, wherever another one is
             # installed.
             'Defaults!%s env_keep += PYTHONPATH' % name,
             'Defaults!%s secure_path="%s"' % (name, ':'.join(
                 filter(None, [programs, _SYSTEM])))]
    rule = pathlib.Path('/etc/sudoers.d', os.path.basename(folder))
    with sweeper.swept(rule):
        rule.write_text('\n'.join(lines) + '\n')
        rule.chmod(0o440)
        yield command(folder)


@contextlib.contextmanager
def home():
    """A folder that the ordinary user reaches, with ``database`` of theirs.

    :returns: pathlib.Path
    """
    with _folder('/var/tmp') as folder:
        database = pathlib.Path(folder, 'database')
        database.mkdir()
        give(database)
        yield pathlib.Path(folder)


def user():
    """The id of the ordinary user."""
    return pwd.getpwnam(USER).pw_uid


def environment(folder):
    """The variables of theirs that matter.

    :param folder: their home
    """
    return {'HOME': str(folder), 'PATH': '%s:%s' % (_BIN, _SYSTEM),
            'PYTHONPATH': str(_REPOSITORY)}


def give(path):
    """Let something belong to the ordinary user."""
    os.chown(path, user(), users.group(user()))


def run(module, folder, *arguments):
    """Run a module as the ordinary user.

    :returns: (exit code, what it printed)
    """
    done = subprocess.run(
        ['runuser', '-u', USER, '--', 'env',
         *map('='.join, environment(folder).items()),
         sys.executable, '-m', module, *map(str, arguments)],
        cwd=str(_REPOSITORY), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=600)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


@contextlib.contextmanager
def _folder(parent):
    """A new one, which everybody can read."""
    folder = tempfile.mkdtemp(prefix='remotefs-test-', dir=parent)
    with sweeper.swept(folder):
        os.chmod(folder, 0o755)
        yield folder


def _rootwrap(folder):
    return '%s/cinder-rootwrap %s/rootwrap.conf' % (_BIN, folder)
