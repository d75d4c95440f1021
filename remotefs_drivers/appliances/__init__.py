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

"""NFS appliances: what one must be able to do, and the ones that we ship.

``interface`` is what a vendor implements, one class. ApplianceNfsDriver
finds it by its entry point, in the group ``remotefs_drivers.appliances``.
``testing`` is the suite of tests that a vendor runs against it.

    rest        whatever serves our HTTP API
      rest_api      the API as a table, pure
      rest_values   values of an appliance as JSON, pure
      rest_channel  one request, within a time and a size
"""
