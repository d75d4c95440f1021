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


"""The page for vendors of appliances says what the code does."""

import pathlib
import re

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances.testing import box
from remotefs_drivers.appliances.testing import plugin
from remotefs_drivers import errors

PAGE = (pathlib.Path(__file__).parents[2] / 'doc' / 'source' /
        'appliance-vendors.rst').read_text()


class Group:
    """As pytest's parser, and its group of options."""

    def __init__(self):
        self.names = set()

    def getgroup(self, name, description):
        return self

    def addoption(self, name, **kwargs):
        assert kwargs['help']
        self.names.add(name)


def test_it_has_all_options():
    group = Group()
    plugin.pytest_addoption(group)
    assert set(re.findall(r'--(?:appliance|allow)[-\w]*', PAGE)) == (
        group.names)


def test_it_has_all_methods():
    """Those that ask the box to do something."""
    methods = interface.Appliance.__abstractmethods__ | set(box.OPTIONAL)
    table = PAGE.partition('The class\n=====')[0]
    assert methods == {name for name in re.findall('``([a-z_]+)``', table)
                       if hasattr(interface.Appliance, name)}


def test_errors_have_the_keywords_that_it_says():
    """One that lacks a keyword says nothing but its template."""
    found = {kind: set(re.findall('``([a-z]+)``', keywords))
             for keywords, kinds in re.findall(
                 r'^(``appliance``,.*)\n((?:  .*\n)+)', PAGE, re.MULTILINE)
             for kind in re.findall('``([a-zA-Z]+)``', kinds)}
    assert set(found) == {
        kind for kind in vars(errors) if kind.startswith('Appliance')} - {
            'ApplianceUnsupported', 'ApplianceHostKeyChanged',
            # The driver's.
            'ApplianceGroupUnsupported'}
    assert found == {kind: set(re.findall(r'%\((\w+)\)', getattr(
        errors, kind).message)) for kind in found}


@pytest.mark.parametrize('method', sorted(box.OPTIONAL))
def test_it_says_what_is_lost_without(method):
    table = ' '.join(PAGE.partition('left out ')[2].split())
    assert '``%s`` %s' % (method, box.OPTIONAL[method]) in table
