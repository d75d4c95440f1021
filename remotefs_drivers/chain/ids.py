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

"""An id of Cinder's, as Cinder writes it. Pure.

Databases and file systems do not agree on what else is the same.
"""

import re

_ID = re.compile('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


def is_id(text):
    return _ID.fullmatch(text) is not None


def is_in(name):
    """Whether a name has one in it, as all have that are made here."""
    return _ID.search(name) is not None
