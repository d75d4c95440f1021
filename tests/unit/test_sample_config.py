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

"""The files below etc/ say what the code does."""

import configparser
import io
import pathlib

from oslo_config import cfg
from oslo_config import generator
import pytest

from remotefs_drivers import options

TOP = pathlib.Path(__file__).parents[2]
ETC = TOP / 'etc'
EXAMPLES = sorted((ETC / 'examples').glob('cinder-*.conf'))


def _generate():
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(args=['--config-file',
               str(ETC / 'oslo-config-generator' / 'remotefs-drivers.conf')],
         project='remotefs-drivers', default_config_files=[])
    output = io.StringIO()
    generator.generate(conf, output_file=output)
    return output.getvalue()


def _known_options():
    return {opt.dest: opt
            for _group, opts in options.list_opts() for opt in opts}


def test_the_sample_is_what_the_generator_makes_today():
    """``tox -e genconfig`` writes it anew."""
    assert (ETC / 'cinder.conf.sample').read_text() == _generate()


def test_each_driver_has_an_example():
    drivers = {path.stem.replace('cinder-', '') for path in EXAMPLES}
    modules = (path.stem for path in (TOP / 'remotefs_drivers').glob('*.py'))
    prefixes = {name.split('_')[0] for name in _known_options()}
    assert drivers == {name for name in modules if name in prefixes}


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_only_options_that_exist(path):
    """With our own ones read by oslo.config, choices and all."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    backends = parser['DEFAULT']['enabled_backends'].split(',')
    known = _known_options()
    for backend in backends:
        conf = cfg.ConfigOpts()
        ours = [known[name] for name in parser[backend] if name in known]
        conf.register_opts(ours, group=backend)
        conf(args=[], default_config_files=[str(path)])
        for opt in ours:
            assert conf[backend][opt.dest] not in (None, '', [])
        prefix = parser[backend]['volume_driver'].split('.')[1]
        own = [name for name in parser[backend]
               if name.startswith((prefix + '_', 'nas_'))]
        assert own and set(own) <= set(known)
