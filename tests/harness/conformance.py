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


"""The conformance suite of appliances, as a vendor runs it: a process."""

import dataclasses
import os
import pathlib
import pwd
import re
import subprocess
import sys
from xml.etree import ElementTree

import remotefs_drivers

SUITE = 'remotefs_drivers.appliances.testing'
_PLUGIN = SUITE + '.plugin'
_TOP = pathlib.Path(remotefs_drivers.__file__).parents[1]

#: Other plugins, which are of no use here, are half of the time to start.
_ENVIRONMENT = {'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'}

#: Seconds for all of it, and for a call.
_LIMIT = 2400
_CALL = 600


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a run.

    :ivar outcomes: test -> 'passed', 'skipped', 'failed' or 'error' (what it
                    made cannot be cleared away); a test is
                    'test_shares.TestFind.test_there_is_none'
    :ivar output: what was on the screen
    """

    returncode: int
    outcomes: dict
    output: str

    def tests(self, *outcomes):
        """Sorted names, without parameters, of tests with an outcome."""
        return sorted({test.partition('[')[0]
                       for test, outcome in self.outcomes.items()
                       if outcome in outcomes})


def run(folder, conf, arguments=(), path=()):
    """Run it.

    :param folder: an empty one
    :param conf: text of the configuration file
    :param arguments: more of pytest, which say how it is to be tested
    :param path: folders to import from, besides this checkout
    """
    (folder / 'cinder.conf').write_text(conf)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'pytest', '-q',
         '-p', 'no:cacheprovider', '-p', 'no:warnings', '-p', _PLUGIN,
         '-c', os.devnull, '--rootdir', str(_TOP),
         '--basetemp', str(folder / 'pytest'),
         '--junitxml', str(folder / 'report.xml'),
         '--appliance-conf', str(folder / 'cinder.conf'),
         '--appliance-size', '1', '--appliance-many', '21',
         '--appliance-timeout', str(_CALL),
         '--appliance-user', pwd.getpwuid(os.geteuid()).pw_name,
         *arguments, '--pyargs', SUITE],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=_LIMIT, cwd=folder,
        env={**os.environ, **_ENVIRONMENT, 'PYTHONPATH': os.pathsep.join(
            map(str, [_TOP, *path]))})
    return Result(done.returncode, _outcomes(folder / 'report.xml'),
                  done.stdout)


def section(options, defaults=()):
    """A configuration file with the section of a backend.

    :param options: name -> value, of the backend
    :param defaults: (name, value), of the service
    """
    return ''.join(['[DEFAULT]\nenabled_backends = box\n',
                    *('%s = %s\n' % option for option in defaults),
                    '[box]\n',
                    *('%s = %s\n' % option for option in options.items())])


def _outcomes(report):
    if not report.exists():
        return {}
    return {_name(case): _outcome(case)
            for case in ElementTree.parse(report).iter('testcase')}


def _name(case):
    module = re.sub('^.*testing[.]', '', case.get('classname'))
    return '%s.%s' % (module, case.get('name'))


def _outcome(case):
    """Its worst: a test that passed may have left something."""
    found = {each.tag for each in case}
    for tag, outcome in (('failure', 'failed'), ('error', 'error'),
                         ('skipped', 'skipped')):
        if tag in found:
            return outcome
    return 'passed'
