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

"""Fetches and unpacks packages with the host's own apt, without installing.

Everything goes to folders of the caller's; neither the host's package
database nor its lists are touched, and no right beyond an ordinary user's is
needed.
"""

import pathlib
import re
import subprocess

from tests.realnfs import errors

# A line that `apt-get --print-uris` writes for a file to be fetched:
# 'address' name size hash
_FETCH = re.compile(r"^'[^']+' ([^_\s]+)_([^_\s]+)_[^_\s]+ \d+", re.M)
_LIMIT = 300


class Apt:
    """The host's apt, with a working folder for what it downloads."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._options = ['-o', 'APT::Sandbox::User=root',
                         '-o', 'Debug::NoLocking=1',
                         '-o', 'Acquire::Retries=3']

    def use_fresh_lists(self):
        """Read the package lists anew, into the working folder."""
        for name in ('lists/partial', 'cache/archives/partial'):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._options += ['-o', f'Dir::State::Lists={self._folder}/lists',
                          '-o', f'Dir::Cache={self._folder}/cache']
        self._run('apt-get', '-qq', *self._options, 'update')

    def versions_of(self, meta_package, pattern):
        """Names of the packages that a meta package stands for.

        :param pattern: what such a name must match
        :raises Missing: when there is none
        """
        text = self._run('apt-cache', *self._options, 'depends', '--important',
                         '--recurse', meta_package)
        names = {line for line in text.splitlines()
                 if re.fullmatch(pattern, line)}
        if not names:
            raise errors.Missing(f'apt knows no package {meta_package}')
        return sorted(names)

    def fetch(self, alone, whole):
        """Download packages.

        :param alone: packages to be had even where the host has them, and
            without what they depend on
        :param whole: packages to be had where the host lacks them, with what
            it lacks of that
        :returns: paths of .deb files
        """
        text = self._run('apt-get', '-qq', *self._options, '--print-uris',
                         '--no-install-recommends', 'install', *whole)
        lacking = [f'{name}={version.replace("%3a", ":")}'
                   for name, version in _FETCH.findall(text)]
        packages = self._folder / 'packages'
        packages.mkdir(exist_ok=True)
        self._run('apt-get', '-qq', *self._options, 'download', *alone,
                  *lacking, cwd=packages)
        return sorted(packages.glob('*.deb'))

    def _run(self, *command, cwd=None):
        return run(*command, cwd=cwd or self._folder)


def unpack(packages, tree):
    """Lay the contents of .deb files into a folder."""
    for package in packages:
        run('dpkg-deb', '-x', str(package), str(tree))


def run(*command, cwd=None):
    """Run a command and give its output.

    :raises Missing: with the command's own words when it fails
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=_LIMIT, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
    except FileNotFoundError as exc:
        raise errors.Missing(f'no command {command[0]} here') from exc
    except subprocess.TimeoutExpired as exc:
        raise errors.Missing(
            f'{" ".join(command)}: not done in {_LIMIT} seconds') from exc
    if done.returncode:
        raise errors.Missing(f'{" ".join(command)}: {done.stderr.strip()}')
    return done.stdout
