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

"""The page of defects names tests that are there."""

import os
import re

import pytest

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
_PAGE = os.path.join(_ROOT, 'doc', 'source', 'defects.rst')


def _named():
    """(file, test) as the page names them."""
    with open(_PAGE) as stream:
        text = stream.read().split('list-table::')[1]
    path, found = None, set()
    for word in re.findall(r'``([^`]+)``', text):
        if word.endswith('.py'):
            path = word
        else:
            found.add((path, word))
    return sorted(found)


@pytest.mark.parametrize('path, name', _named())
def test_it_is_there(path, name):
    with open(os.path.join(_ROOT, path)) as stream:
        assert 'def %s(' % name in stream.read()


def test_the_page_is_read():
    assert len(_named()) > 40
