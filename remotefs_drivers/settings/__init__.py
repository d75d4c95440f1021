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

"""What the operator configured, read once and frozen.

Drivers read their configuration section here, at ``do_setup``, and nowhere
else; an option that has no value in the section falls back to
``[backend_defaults]`` and then to its default, as Cinder does it.

    nfs, glusterfs, posix, gpfs, appliance
                    what each driver has of its own
    appliance_ssh, appliance_rest
                    the same of the appliances that we ship
    common          what all drivers have
    mounts          what those have that mount shares
    values          single options
"""
