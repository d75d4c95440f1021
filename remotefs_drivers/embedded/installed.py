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

"""Where the files that come with Cinder lie in this installation."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors


def shipped():
    """:returns: config.Shipped
    :raises NotInstalled: when Cinder is not there, or not whole
    """
    return config.Shipped(
        api_paste=_file('api-paste.ini'),
        resource_filters=_file('resource_filters.json'))


def has_native_threads():
    """Whether this Cinder can run without eventlet (29 and later)."""
    return importlib.util.find_spec('cinder.monkey_patch') is not None


def require(*packages):
    """:raises NotInstalled: naming those that can't be imported."""
    missing = [name for name in packages if not _is_importable(name)]
    if missing:
        raise errors.NotInstalled(
            'The Python packages %s are missing in %s. Install '
            'remotefs-drivers[demo].' % (', '.join(missing), sys.prefix))


def program(name, package):
    """:raises NotInstalled: naming the package, when it can't be run"""
    if shutil.which(name) is None:
        raise errors.NotInstalled('The program %s is missing. Install the '
                                  'package %s.' % (name, package))


def _is_importable(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        # Not even the package that it would be in.
        return False


def _file(name):
    for path in _candidates(name):
        if os.path.isfile(path):
            return path
    raise errors.NotInstalled('Cinder\'s file %s was not found in %s, nor '
                              'in /etc/cinder.' % (name, sys.prefix))


def _candidates(name):
    require('cinder')
    for entry in importlib.metadata.files('cinder') or ():
        if entry.name == name and 'tests' not in entry.parts:
            yield os.path.abspath(entry.locate())
    yield os.path.join(sys.prefix, 'etc', 'cinder', name)
    yield os.path.join('/etc/cinder', name)
