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

"""cinder-remotefs: look after shares, and try the library out."""

import importlib.metadata
import sys
import warnings

_MISSING = ('cinder-remotefs needs the Python package "cliff" (and "demo" '
            'needs Cinder and Glance): install remotefs-drivers[demo].')


def main(argv=None):
    if not sys.warnoptions:
        # Of libraries about libraries: nothing for an operator.
        warnings.simplefilter('ignore')
    try:
        from cliff import app
        from cliff import commandmanager
    except ImportError:
        sys.exit(_MISSING)
    commands = commandmanager.CommandManager('remotefs_drivers.commands')
    _add_commands(commands)
    return app.App(
        description='Tools for Cinder volumes as files on shared file '
                    'systems.',
        version=importlib.metadata.version('remotefs-drivers'),
        command_manager=commands).run(
            sys.argv[1:] if argv is None else argv)


def _add_commands(commands):
    from remotefs_drivers.cmd import demo
    commands.add_command('demo', demo.Demo)


if __name__ == '__main__':
    sys.exit(main())
