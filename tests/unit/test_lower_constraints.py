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

"""lower-constraints.txt has the lowest versions that we say we work with."""

import pathlib

TOP = pathlib.Path(__file__).parents[2]


def _lines(name, separator):
    lines = (TOP / name).read_text().splitlines()
    return dict(line.split(separator) for line in lines
                if line and not line.startswith('#'))


def test_the_constraints_are_the_lower_bounds():
    assert (_lines('lower-constraints.txt', '==') ==
            _lines('requirements.txt', '>='))
