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


"""Does an appliance keep what ``appliances.interface`` promises?

A vendor runs this suite against its class and its box::

    pytest --appliance=acme --appliance-conf=cinder.conf \\
        --appliance-content=mount --pyargs remotefs_drivers.appliances.testing

``plugin`` has pytest's options and what is said in the end, ``conftest`` the
fixtures. Each module of tests is about one group of methods, each promise in
a docstring of the interface at least one test. ``faults`` is of use in tests
of a driver as well: any appliance, whose answers get lost.

The suite makes shares with names of its own and deletes them again; what was
there before it leaves alone, and looks at in the end.
"""
