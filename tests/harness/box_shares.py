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

"""What an appliance has, while a service works with it."""


def snapshots_by_share(box, home):
    """Name of each share but the home -> names of its snapshots.

    Shares that were deleted since they were listed are left out.
    """
    found = [box.find_share(each.name) for each in box.list_shares()
             if each.name != home]
    return {each.name: [one.name for one in each.snapshots]
            for each in found if each is not None}
