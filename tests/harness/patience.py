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


"""How long drivers and tests wait here for what is alive.

By default a share may take 10 seconds to answer. Where all rings of tests run
at once, one flush of the disk may take 5, and some calls flush several times.
A test that is about silence says itself how long that is, see impatience.
"""

#: Seconds.
PATIENCE = 120


def options(known):
    """:param known: options of a driver, of oslo.config
    :returns: those of them that are to be set: name -> value
    """
    return {option.name: PATIENCE for option in known
            if option.name.endswith('_share_timeout')}
